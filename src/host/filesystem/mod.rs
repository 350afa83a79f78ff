//! How full filesystems are, asked so that none can hang the program.
//!
//! statfs(2) on a dead NFS server, or below a mount point of one, may never come back, and nothing can
//! interrupt it. So it runs on threads of its own: at most one call per filesystem is in flight, however many mounts of it
//! there are, those who ask wait for a short grace and go on without the answer, and a call that is stuck keeps
//! its one thread until it ends. When it ends, the filesystem is asked again at the next question.
//!
//! `board/` decides who is asked when, `patience.rs` how long an answer is worth waiting for and `calls.rs` how many threads the silent may
//! hold; `call.rs` makes the one call.

mod board;
mod call;
mod calls;
mod patience;

use std::io;
use std::ops::{Deref, Range};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use self::board::{Board, Step};
pub use self::patience::Patience;
use super::remote;
use crate::model::device::DeviceNumber;
use crate::model::mount::{FilesystemUsage, Mount, UsageError};
use crate::model::remote::RemoteTarget;

/// One filesystem to ask about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Question {
    /// The device number that files there must have.
    pub number: DeviceNumber,
    /// Where to ask, in this mount namespace.
    pub path: PathBuf,
    /// True where files' device numbers differ from the mount's by design (btrfs subvolumes).
    pub own_numbers: bool,
    /// True where the mount that is asked refuses writes, whatever the filesystem does.
    pub mounted_read_only: bool,
    /// Who answers.
    pub responder: Responder,
}

impl Question {
    /// Asks about the filesystem of the node's `mount` at `own`, a mount of it in this namespace.
    pub fn new(mount: &Mount, own: &Mount) -> Self {
        Self {
            number: mount.number,
            path: own.mount_point.clone(),
            own_numbers: mount.fstype == "btrfs",
            mounted_read_only: own.read_only,
            responder: Responder::of(mount),
        }
    }
}

/// Who answers for a filesystem.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Responder {
    /// The kernel, by what is in this machine.
    Kernel,
    /// A server or a program, which may be silent for ever: the server's name, where the mount tells it.
    Other(Option<Box<str>>),
}

/// Filesystems that have no device number of one device, and lie in this machine all the same.
const OF_THIS_MACHINE: [&str; 6] = ["bcachefs", "btrfs", "ramfs", "tmpfs", "ubifs", "zfs"];

impl Responder {
    fn of(mount: &Mount) -> Self {
        let fstype = mount.fstype.as_str();
        let is_here = !mount.number.is_anonymous() || OF_THIS_MACHINE.contains(&fstype);
        if is_here && !fstype.starts_with("fuse") {
            return Self::Kernel;
        }
        let server = match remote::of_mount(mount) {
            Some(
                RemoteTarget::Nfs { server, .. }
                | RemoteTarget::Smb { server, .. }
                | RemoteTarget::Gluster { server, .. },
            ) => Some(server),
            Some(RemoteTarget::Lustre { servers, .. }) => Some(servers),
            Some(RemoteTarget::Ceph {
                monitors, cluster, ..
            }) => cluster.or_else(|| (!monitors.is_empty()).then(|| monitors.join(","))),
            _ => None,
        };
        Self::Other(server.map(String::into_boxed_str))
    }

    fn is_same_server(&self, other: &Self) -> bool {
        matches!((self, other), (Self::Other(Some(one)), Self::Other(Some(other))) if one == other)
    }
}

/// Filesystems to ask about, in order and each once; cheap to keep. Where they are the same as before, the round before is remembered.
#[derive(Debug, Clone, Default)]
pub struct Questions(Arc<[Question]>);

impl Questions {
    /// All of these.
    pub fn new(questions: impl IntoIterator<Item = Question>) -> Self {
        let mut questions: Vec<_> = questions.into_iter().collect();
        questions.sort_unstable();
        questions.dedup();
        Self(questions.into())
    }

    /// Where a question stands.
    pub fn place(&self, question: &Question) -> Option<usize> {
        self.binary_search(question).ok()
    }

    /// Where the questions about one filesystem stand.
    fn of(&self, number: DeviceNumber) -> Range<usize> {
        let first = self.partition_point(|question| question.number < number);
        let of_number = self[first..]
            .iter()
            .take_while(|question| question.number == number);
        first..first + of_number.count()
    }

    fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Deref for Questions {
    type Target = [Question];

    fn deref(&self) -> &[Question] {
        &self.0
    }
}

/// What is known of one.
pub(super) type Answer = Result<FilesystemUsage, UsageError>;

/// Asks filesystems, with a limit.
#[derive(Debug)]
pub struct UsageReader {
    shared: Arc<Shared>,
    hire: fn(&Arc<Shared>) -> io::Result<()>,
}

#[derive(Debug)]
struct Shared {
    board: Mutex<Board>,
    work: Condvar,
    done: Condvar,
    call: fn(&Question) -> Answer,
}

impl Shared {
    fn board(&self) -> MutexGuard<'_, Board> {
        // A worker cannot panic while it holds the lock: nothing in there does more than move values.
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UsageReader {
    /// A reader that asks the kernel.
    pub fn new(patience: Patience) -> Self {
        Self::asking_by(call::usage_of, patience)
    }

    /// A reader that asks by this call, which may never come back.
    pub(super) fn asking_by(call: fn(&Question) -> Answer, patience: Patience) -> Self {
        let shared = Shared {
            board: Mutex::new(Board::new(patience)),
            work: Condvar::new(),
            done: Condvar::new(),
            call,
        };
        Self {
            shared: Arc::new(shared),
            hire,
        }
    }

    /// Asks all at once and waits a little for the answers, for slow filesystems until `deadline` at the latest. Answers come
    /// in the order of the questions.
    pub fn ask(&mut self, questions: &Questions, deadline: Instant) -> Vec<Answer> {
        let mut board = self.shared.board();
        board.open(questions, Instant::now());
        loop {
            let now = Instant::now();
            match board.step(now, deadline) {
                Step::Wake => self.shared.work.notify_one(),
                Step::Hire => {
                    if (self.hire)(&self.shared).is_err() {
                        board.nobody_came();
                    }
                }
                Step::Wait(until) => {
                    board = self
                        .shared
                        .done
                        .wait_timeout(board, until.saturating_duration_since(now))
                        .unwrap_or_else(PoisonError::into_inner)
                        .0;
                }
                Step::Done => return board.close(now),
            }
        }
    }
}

/// Starts a worker.
fn hire(shared: &Arc<Shared>) -> io::Result<()> {
    let shared = Arc::clone(shared);
    std::thread::Builder::new()
        .name("statfs".into())
        .stack_size(64 << 10)
        .spawn(move || work(&shared))
        .map(drop)
}

/// A worker's life: it takes questions until there are none, then waits to be called.
fn work(shared: &Shared) {
    let mut board = shared.board();
    board.arrive();
    loop {
        let mut now = Instant::now();
        while let Some(call) = board.begin(now) {
            drop(board);
            let answer = (shared.call)(call.question());
            now = Instant::now();
            board = shared.board();
            if board.end(&call, answer, now) {
                shared.done.notify_all();
            }
        }
        if !board.rest() {
            return;
        }
        while !board.is_called() {
            board = shared.work.wait(board).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::host::mountinfo;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    fn questions<'a>(paths: impl IntoIterator<Item = &'a str>) -> Questions {
        let question = |(minor, path): (u32, &str)| Question {
            number: DeviceNumber::new(8, minor),
            path: path.into(),
            own_numbers: false,
            mounted_read_only: false,
            responder: Responder::Kernel,
        };
        Questions::new((0..).zip(paths).map(question))
    }

    /// A path says what the filesystem does: it never answers, or after so many milliseconds.
    fn acts_as_its_path_says(question: &Question) -> Answer {
        if question.path == Path::new("dead") {
            loop {
                thread::park();
            }
        }
        let milliseconds = question.path.to_str().unwrap().parse().unwrap();
        thread::sleep(Duration::from_millis(milliseconds));
        Err(UsageError::NoSize)
    }

    fn acting() -> UsageReader {
        UsageReader::asking_by(acts_as_its_path_says, Patience::OF_A_SERVER)
    }

    fn answered(answers: &[Answer]) -> usize {
        let is_answer = |answer: &&Answer| **answer == Err(UsageError::NoSize);
        answers.iter().filter(is_answer).count()
    }

    #[test]
    fn a_missing_path_is_refused_and_costs_nobody_else() {
        let questions = questions(["/nonexistent", "/proc"]);
        let answers = UsageReader::new(Patience::OF_A_SERVER).ask(&questions, soon());
        assert!(matches!(&answers[0], Err(UsageError::Refused(_))));
        assert_eq!(answers[1], Err(UsageError::OtherFilesystem));
    }

    /// Asks until all is as expected: a machine that does other things may come too late now and then.
    fn asks_until(reader: &mut UsageReader, questions: &Questions, deadline: fn() -> Instant, number: usize) {
        let is_so = (0..50).any(|_| {
            thread::sleep(Duration::from_millis(20));
            answered(&reader.ask(questions, deadline())) == number
        });
        assert!(is_so, "of {} never {number} answered", questions.len());
    }

    #[test]
    fn many_questions_at_once_leave_one_worker_that_waits_to_be_called() {
        let mut reader = acting();
        let questions = questions(vec!["0"; 100]);
        for _ in 0..20 {
            asks_until(&mut reader, &questions, soon, 100);
        }
        let is_one_left = || Arc::strong_count(&reader.shared) == 2;
        let waited = (0..100).any(|_| {
            is_one_left() || {
                thread::sleep(Duration::from_millis(20));
                false
            }
        });
        assert!(waited, "{} workers", Arc::strong_count(&reader.shared) - 1);
    }

    #[test]
    fn whoever_asks_again_at_once_finds_a_worker() {
        let mut reader = acting();
        let questions = questions(["0", "0"]);
        let answered = (0..1000)
            .map(|_| answered(&reader.ask(&questions, soon())))
            .sum::<usize>();
        assert!(answered > 1900, "{answered} of 2000 answered");
    }

    #[test]
    fn filesystems_that_never_answer_keep_nobody_from_the_others() {
        let mut reader = acting();
        let questions = questions(["dead", "0", "dead", "0", "dead", "0"]);
        asks_until(&mut reader, &questions, soon, 3);
        asks_until(&mut reader, &questions, soon, 3);
    }

    #[test]
    fn a_server_that_is_far_away_has_figures_from_the_second_time_on() {
        let mut reader = acting();
        let questions = questions(["60", "0"]);
        assert_eq!(reader.ask(&questions, soon())[0], Err(UsageError::Slow));
        asks_until(&mut reader, &questions, soon, 2);
    }

    #[test]
    fn who_asks_once_waits_for_the_slow_and_not_for_the_dead() {
        let mut reader = UsageReader::asking_by(acts_as_its_path_says, Patience::OF_A_COMMAND);
        let began = Instant::now();
        let answers = reader.ask(&questions(["60", "dead", "0", "300"]), soon());
        assert_eq!(answered(&answers), 3);
        assert_eq!(answers[1], Err(UsageError::NotResponding));
        assert!(began.elapsed() < Duration::from_millis(1800));
    }

    #[test]
    fn a_deadline_that_has_passed_costs_nobody_his_figures() {
        let mut reader = acting();
        asks_until(&mut reader, &questions(vec!["0"; 10]), Instant::now, 10);
    }

    #[test]
    fn where_no_thread_can_be_had_nobody_waits_for_one() {
        let mut reader = UsageReader {
            hire: |_| Err(io::ErrorKind::WouldBlock.into()),
            ..acting()
        };
        let questions = questions(["0", "0"]);
        let began = Instant::now();
        let answers = reader.ask(&questions, Instant::now() + Duration::from_secs(60));
        assert_eq!(answers, [Err(UsageError::NoThread), Err(UsageError::NoThread)]);
        assert!(began.elapsed() < Duration::from_secs(1));
    }

    #[test]
    fn whose_answer_may_never_come_is_told_by_the_mount() {
        let other = |server: &str| Responder::Other(Some(server.into()));
        for (mount, responder) in [
            ("8:1 / /a rw - xfs /dev/sda1 rw", Responder::Kernel),
            ("0:40 / /a rw - btrfs /dev/sda1 rw", Responder::Kernel),
            ("0:40 / /a rw - tmpfs tmpfs rw", Responder::Kernel),
            ("0:40 / /a rw - nfs4 filer:/export/1 rw", other("filer")),
            ("0:40 / /a rw - cifs //filer/share rw", other("filer")),
            (
                "0:40 / /a rw - ceph 10.0.0.1:6789,10.0.0.2:6789:/ rw",
                other("10.0.0.1:6789,10.0.0.2:6789"),
            ),
            ("0:40 / /a rw - fuse.s3fs s3fs rw", Responder::Other(None)),
            ("8:1 / /a rw - fuseblk /dev/sda1 rw", Responder::Other(None)),
            ("0:40 / /a rw - other other rw", Responder::Other(None)),
        ] {
            let (mounts, bad) = mountinfo::parse(format!("1 0 {mount}\n").as_bytes());
            assert!(bad.is_empty(), "{mount}");
            assert_eq!(Responder::of(&mounts[0]), responder, "{mount}");
        }
    }
}
