//! How full the node's own filesystems and those of pods' volumes are.
//!
//! Which there are, and where each can be asked, is thought over only where mounts or pods' volumes have changed.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::filesystem::{self, Answer, Question, UsageReader};
use super::{node_filesystems, volume_filesystems};
use crate::model::device::DeviceNumber;
use crate::model::fault::Fault;
use crate::model::host::{FILESYSTEMS, HostSample};
use crate::model::mount::{Filesystem, Mount, UsageError};
use crate::model::mount_table::MountTable;
use crate::model::volume::PodVolume;
use crate::model::volume_usage::VolumeUsage;

/// Asks them.
#[derive(Debug, Default)]
pub(super) struct FilesystemReader {
    usage: UsageReader,
    chosen: Option<Chosen>,
}

/// Which filesystems there are, as long as this is so.
#[derive(Debug)]
struct Chosen {
    mounts: Arc<MountTable>,
    own: Arc<MountTable>,
    kubelet: PathBuf,
    pod_volumes: Arc<[PodVolume]>,
    /// In order, each once.
    questions: Vec<Question>,
    /// The node's filesystems by their mounts' places, and where the question of each stands.
    node: Vec<(usize, Option<usize>)>,
    /// The paths of pods' volumes in order, and where the question of each stands.
    volume_paths: Arc<[PathBuf]>,
    volume_questions: Vec<Option<usize>>,
}

impl Chosen {
    fn new(sample: &HostSample, own: &Arc<MountTable>) -> Self {
        let visible = node_filesystems::visible(own);
        let node = node_filesystems::select(&sample.mounts, &visible, &sample.kubelet);
        let mut volumes = volume_filesystems::select(&sample.pod_volumes, &sample.mounts, own, &visible);
        volumes.sort_by(|one, other| VolumeUsage::order(one.path, other.path));
        volumes.dedup_by(|one, other| one.path == other.path);
        let of_node = node.iter().filter_map(|found| found.question.clone());
        let of_volumes = volumes.iter().filter_map(|found| found.question.clone());
        let mut questions: Vec<_> = of_node.chain(of_volumes).collect();
        questions.sort_unstable();
        questions.dedup();
        let place = |question: &Option<Question>| questions.binary_search(question.as_ref()?).ok();
        Self {
            mounts: Arc::clone(&sample.mounts),
            own: Arc::clone(own),
            kubelet: sample.kubelet.clone(),
            pod_volumes: Arc::clone(&sample.pod_volumes),
            node: node
                .iter()
                .map(|found| (found.at, place(&found.question)))
                .collect(),
            volume_paths: volumes.iter().map(|found| found.path.clone()).collect(),
            volume_questions: volumes.iter().map(|found| place(&found.question)).collect(),
            questions,
        }
    }

    /// True where the same would be chosen.
    fn is_of(&self, sample: &HostSample, own: &Arc<MountTable>) -> bool {
        Arc::ptr_eq(&self.mounts, &sample.mounts)
            && Arc::ptr_eq(&self.own, own)
            && Arc::ptr_eq(&self.pod_volumes, &sample.pod_volumes)
            && self.kubelet == sample.kubelet
    }
}

impl FilesystemReader {
    /// Asks all at once and fills in what they say. `own` are the mounts that this process sees, and `own_now` reads them again. Without
    /// `live` nobody is asked: the machine is a captured one.
    pub(super) fn read(
        &mut self,
        sample: &mut HostSample,
        own: &Arc<MountTable>,
        live: bool,
        deadline: Instant,
        own_now: impl FnOnce() -> Option<Arc<MountTable>>,
    ) {
        if !self
            .chosen
            .as_ref()
            .is_some_and(|chosen| chosen.is_of(sample, own))
        {
            self.chosen = None;
        }
        let chosen = self.chosen.get_or_insert_with(|| Chosen::new(sample, own));
        let answers = if live {
            let mut answers = self.usage.ask(&chosen.questions, filesystem::GRACE, deadline);
            if answers.iter().any(is_failure)
                && let Some(now) = own_now()
            {
                let_go_of_unmounted(&chosen.questions, &mut answers, &now);
            }
            answers
        } else {
            Vec::new()
        };
        let answer = |question: Option<usize>| match question {
            _ if !live => Err(UsageError::Captured),
            None => Err(UsageError::NotVisible),
            Some(at) => answers.get(at).cloned().unwrap_or(Err(UsageError::Slow)),
        };
        let mut told = Told::default();
        for (at, question) in &chosen.node {
            // Chosen from this very table.
            let mount = &chosen.mounts[*at];
            let usage = answer(*question);
            told.add(&mut sample.faults, mount.number, &mount.mount_point, &usage);
            sample.filesystems.push(Filesystem {
                number: mount.number,
                mount_point: mount.mount_point.clone(),
                fstype: mount.fstype.clone(),
                source: mount.source.clone(),
                usage,
            });
        }
        let of_volumes: Vec<_> = chosen.volume_questions.iter().copied().map(answer).collect();
        let asked = chosen.volume_paths.iter().zip(&chosen.volume_questions);
        for ((path, question), usage) in asked.zip(&of_volumes) {
            if let Some(question) = question.and_then(|at| chosen.questions.get(at)) {
                told.add(&mut sample.faults, question.number, path, usage);
            }
        }
        sample.volume_usage = VolumeUsage::new(Arc::clone(&chosen.volume_paths), of_volumes);
    }
}

/// True where there is no usage, and not because of a filesystem's slowness.
fn is_failure(answer: &Answer) -> bool {
    matches!(answer, Err(UsageError::Refused(_) | UsageError::OtherFilesystem))
}

/// What was unmounted after its mount was read is no fault: nothing of it can be seen `now`.
fn let_go_of_unmounted(questions: &[Question], answers: &mut [Answer], now: &[Mount]) {
    let asked = questions.iter().zip(answers);
    for (question, answer) in asked.filter(|(_, answer)| is_failure(answer)) {
        let is_there = |mount: &Mount| mount.number == question.number && mount.mount_point == question.path;
        if !now.iter().any(is_there) {
            *answer = Err(UsageError::NotVisible);
        }
    }
}

/// The filesystems of which it is told that their figures could not be had. Many pods may have one that does not answer: that is
/// one fault.
#[derive(Debug, Default)]
struct Told(HashSet<(DeviceNumber, &'static str)>);

impl Told {
    /// A figure that should be there and is not is a fault. That a filesystem cannot be seen from here, or has not answered yet, is none.
    fn add(&mut self, faults: &mut Vec<Fault>, number: DeviceNumber, path: &Path, usage: &Answer) {
        if let Err(error @ (UsageError::NotResponding | UsageError::Refused(_) | UsageError::OtherFilesystem)) =
            usage
            && self.0.insert((number, error.reason()))
        {
            faults.push(Fault::new(
                FILESYSTEMS,
                path.display().to_string(),
                error.to_string(),
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::mountinfo;

    #[test]
    fn what_is_unmounted_while_it_is_asked_is_no_fault() {
        let question = |minor| Question {
            number: DeviceNumber::new(8, minor),
            path: format!("/pods/{minor}").into(),
            own_numbers: false,
        };
        let mounts: Vec<Mount> = mountinfo::parse(b"9 1 8:1 / /pods/1 rw - xfs /dev/sda1 rw\n").0;
        let answer = Err(UsageError::OtherFilesystem);
        let mut answers = [answer.clone(), answer.clone()];
        let_go_of_unmounted(&[question(1), question(2)], &mut answers, &mounts);
        assert_eq!(answers, [answer, Err(UsageError::NotVisible)]);
    }

    #[test]
    fn a_server_that_is_silent_is_one_fault_however_many_pods_have_it() {
        let (mut told, mut faults) = (Told::default(), Vec::new());
        let (server, disk) = (DeviceNumber::new(0, 60), DeviceNumber::new(8, 1));
        for pod in ["/pods/1", "/pods/2", "/pods/3"] {
            told.add(
                &mut faults,
                server,
                Path::new(pod),
                &Err(UsageError::NotResponding),
            );
        }
        told.add(&mut faults, disk, Path::new("/data"), &Err(UsageError::Slow));
        told.add(
            &mut faults,
            disk,
            Path::new("/data"),
            &Err(UsageError::OtherFilesystem),
        );
        let subjects: Vec<_> = faults.iter().map(|fault| fault.subject.as_str()).collect();
        assert_eq!(subjects, ["/pods/1", "/data"]);
    }
}
