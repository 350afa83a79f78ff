//! How full the node's own filesystems and those of pods' volumes are.
//!
//! Which there are, and where each can be asked, is thought over only where mounts or pods' volumes have changed.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::filesystem::{Answer, Patience, Question, Questions, UsageReader};
use super::{node_filesystems, volume_filesystems};
use crate::model::device::DeviceNumber;
use crate::model::fault::Fault;
use crate::model::host::{FILESYSTEMS, HostSample};
use crate::model::mount::{Filesystem, UsageError};
use crate::model::mount_table::MountTable;
use crate::model::volume::PodVolume;
use crate::model::volume_usage::VolumeUsage;

/// Asks them.
#[derive(Debug)]
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
    questions: Questions,
    /// The node's filesystems by their mounts' places.
    node: Vec<(usize, Asked)>,
    /// The paths of pods' volumes in order, and how each is asked.
    volume_paths: Arc<[PathBuf]>,
    volumes: Vec<Asked>,
}

/// How one filesystem is asked.
#[derive(Debug, Clone, Copy)]
struct Asked {
    /// Where its question stands.
    question: Option<usize>,
    /// True where the node's mounts of it refuse writes, whatever the one that is asked does.
    read_only: bool,
}

impl Asked {
    fn of(self, answers: &[Answer]) -> Answer {
        let Some(at) = self.question else {
            return Err(UsageError::NotVisible);
        };
        let mut answer = answers.get(at).cloned().unwrap_or(Err(UsageError::Slow));
        if let Ok(usage) = &mut answer {
            usage.read_only |= self.read_only;
        }
        answer
    }
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
        let questions = Questions::new(of_node.chain(of_volumes));
        let asked = |question: &Option<Question>, read_only| Asked {
            question: question.as_ref().and_then(|question| questions.place(question)),
            read_only,
        };
        Self {
            mounts: Arc::clone(&sample.mounts),
            own: Arc::clone(own),
            kubelet: sample.kubelet.clone(),
            pod_volumes: Arc::clone(&sample.pod_volumes),
            node: node
                .iter()
                .map(|found| (found.at, asked(&found.question, found.read_only)))
                .collect(),
            volume_paths: volumes.iter().map(|found| found.path.clone()).collect(),
            volumes: volumes
                .iter()
                .map(|found| asked(&found.question, found.read_only))
                .collect(),
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

    /// True where an answer may be that of the filesystem below, because this one was unmounted meanwhile.
    fn is_in_doubt(&self, answers: &[Answer]) -> bool {
        let mut asked = self.questions.iter().zip(answers);
        asked.any(|(question, answer)| is_doubtful(question, answer))
    }
}

impl FilesystemReader {
    pub(super) fn new(patience: Patience) -> Self {
        Self {
            usage: UsageReader::new(patience),
            chosen: None,
        }
    }

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
            let mut answers = self.usage.ask(&chosen.questions, deadline);
            if chosen.is_in_doubt(&answers)
                && let Some(now) = own_now()
                && !Arc::ptr_eq(&now, own)
            {
                let_go_of_unmounted(&chosen.questions, &mut answers, &now);
            }
            answers
        } else {
            Vec::new()
        };
        let answer = |asked: Asked| {
            if live {
                asked.of(&answers)
            } else {
                Err(UsageError::Captured)
            }
        };
        let mut told = Told::default();
        for (at, asked) in &chosen.node {
            // Chosen from this very table.
            let mount = &chosen.mounts[*at];
            let usage = answer(*asked);
            told.add(&mut sample.faults, mount.number, &mount.mount_point, &usage);
            sample.filesystems.push(Filesystem {
                number: mount.number,
                mount_point: mount.mount_point.clone(),
                fstype: mount.fstype.clone(),
                source: mount.source.clone(),
                usage,
            });
        }
        let of_volumes: Vec<_> = chosen.volumes.iter().copied().map(answer).collect();
        let volumes = chosen.volume_paths.iter().zip(&chosen.volumes);
        for ((path, asked), usage) in volumes.zip(&of_volumes) {
            if let Some(question) = asked.question.and_then(|at| chosen.questions.get(at)) {
                told.add(&mut sample.faults, question.number, path, usage);
            }
        }
        sample.volume_usage = VolumeUsage::new(Arc::clone(&chosen.volume_paths), of_volumes);
    }
}

/// True where there is no usage, and not because of a filesystem's slowness; or where the usage may be another's, since the numbers of files
/// do not tell.
fn is_doubtful(question: &Question, answer: &Answer) -> bool {
    match answer {
        Ok(_) => question.own_numbers,
        Err(error) => matches!(error, UsageError::Refused(_) | UsageError::OtherFilesystem),
    }
}

/// What was unmounted after its mount was read is no fault, and what was said for it is another's: nothing of it can be seen `now`.
fn let_go_of_unmounted(questions: &[Question], answers: &mut [Answer], now: &MountTable) {
    let asked = questions.iter().zip(answers);
    for (question, answer) in asked.filter(|(question, answer)| is_doubtful(question, answer)) {
        let is_there = now
            .at(&question.path)
            .is_some_and(|mount| mount.number == question.number);
        if !is_there {
            *answer = Err(UsageError::NotVisible);
        }
    }
}

/// What has been told of filesystems whose figures could not be had. Many pods may have one that does not answer: that is
/// one fault. So is that not all could be asked, however many they are.
#[derive(Debug, Default)]
struct Told(HashSet<(Option<DeviceNumber>, &'static str)>);

impl Told {
    /// A figure that should be there and is not is a fault. That a filesystem cannot be seen from here, has no size, or has not answered yet,
    /// is none.
    fn add(&mut self, faults: &mut Vec<Fault>, number: DeviceNumber, path: &Path, usage: &Answer) {
        let Err(error) = usage else { return };
        let of_all = match error {
            UsageError::NotResponding | UsageError::Refused(_) | UsageError::OtherFilesystem => false,
            UsageError::NotAsked | UsageError::NoThread => true,
            UsageError::Slow | UsageError::NotVisible | UsageError::NoSize | UsageError::Captured => return,
        };
        if self.0.insert(((!of_all).then_some(number), error.reason())) {
            let subject = if of_all {
                "some filesystems".into()
            } else {
                path.display().to_string()
            };
            faults.push(Fault::new(FILESYSTEMS, subject, error.to_string()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::mountinfo;
    use crate::model::mount::{FilesystemUsage, HALF_FULL as USAGE};

    fn table(mountinfo: &str) -> Arc<MountTable> {
        let (mounts, bad) = mountinfo::parse(mountinfo.as_bytes());
        assert!(bad.is_empty());
        Arc::new(mounts.into())
    }

    #[test]
    fn what_is_unmounted_while_it_is_asked_is_no_fault() {
        let mounts = table("8 0 8:0 / / rw - xfs /dev/sda rw\n9 8 8:1 / /pods/1 rw - xfs /dev/sda1 rw\n");
        let asked = "9 8 8:1 / /pods/1 rw - xfs /dev/sda1 rw\n10 8 8:2 / /pods/2 rw - xfs /dev/sda2 rw\n";
        let questions = Questions::new(table(asked).iter().map(|mount| Question::new(mount, mount)));
        let answer = Err(UsageError::OtherFilesystem);
        let mut answers = [answer.clone(), answer.clone()];
        let_go_of_unmounted(&questions, &mut answers, &mounts);
        assert_eq!(answers, [answer, Err(UsageError::NotVisible)]);
    }

    /// The root may be btrfs as well: neither the number of its files nor its type tells it from what was mounted there.
    #[test]
    fn what_btrfs_says_below_a_volume_that_was_unmounted_meanwhile_is_not_the_volumes() {
        let root = "1 0 0:30 / / rw - btrfs /dev/sda rw\n";
        let mounts = table(&format!("{root}2 1 0:31 / /data rw - btrfs /dev/sdb rw\n"));
        for (now, expected) in [
            (Arc::clone(&mounts), Ok(USAGE)),
            (table(root), Err(UsageError::NotVisible)),
        ] {
            let mut sample = HostSample {
                mounts: Arc::clone(&mounts),
                ..HostSample::default()
            };
            let mut reader = FilesystemReader {
                usage: UsageReader::asking_by(|_| Ok(USAGE), Patience::OF_A_SERVER),
                chosen: None,
            };
            reader.read(&mut sample, &mounts, true, Instant::now(), || Some(now));
            let usages: Vec<_> = sample.filesystems.into_iter().map(|found| found.usage).collect();
            assert_eq!(usages, [Ok(USAGE), expected]);
        }
    }

    /// statfs(2) tells of the mount that is asked, which in a container is another one than the node's.
    #[test]
    fn whether_writes_are_refused_is_told_by_the_nodes_mounts_and_the_filesystem() {
        let says_read_only = |question: &Question| {
            Ok(FilesystemUsage {
                read_only: !question.mounted_read_only,
                ..USAGE
            })
        };
        let says_writable = |_: &Question| Ok(USAGE);
        let bound = |options: &str| {
            table(&format!(
                "9 1 0:25 /udev/data /run/udev/data {options} - tmpfs tmpfs rw\n"
            ))
        };
        for (node, own, call, expected) in [
            (
                "rw - tmpfs tmpfs rw",
                "ro",
                says_read_only as fn(&Question) -> Answer,
                false,
            ),
            ("rw - tmpfs tmpfs rw", "rw", says_read_only, true),
            ("rw - tmpfs tmpfs rw", "rw", says_writable, false),
            ("ro - tmpfs tmpfs rw", "rw", says_writable, true),
            ("rw - tmpfs tmpfs ro", "ro", says_read_only, true),
        ] {
            let mut sample = HostSample {
                mounts: table(&format!("2 1 0:25 / /run {node}\n")),
                ..HostSample::default()
            };
            let mut reader = FilesystemReader {
                usage: UsageReader::asking_by(call, Patience::OF_A_SERVER),
                chosen: None,
            };
            reader.read(&mut sample, &bound(own), true, Instant::now(), || None);
            let read_only = sample.filesystems[0].usage.as_ref().map(|usage| usage.read_only);
            assert_eq!(read_only, Ok(expected), "{node}, asked at a mount that is {own}");
        }
    }

    #[test]
    fn that_not_all_could_be_asked_is_one_fault_and_names_the_way_out() {
        let (mut told, mut faults) = (Told::default(), Vec::new());
        for minor in 0..3 {
            let number = DeviceNumber::new(0, minor);
            told.add(
                &mut faults,
                number,
                Path::new("/data"),
                &Err(UsageError::NotAsked),
            );
        }
        let told: Vec<_> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 1);
        assert!(told[0].contains("bring back the servers"), "{}", told[0]);
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
