//! How full filesystems are, asked so that none can hang the program.
//!
//! statfs(2) on a dead NFS server, or below a mount point of one, may never come back, and nothing can
//! interrupt it. So it runs on threads of its own: at most one call per filesystem is in flight, however many mounts of it
//! there are, those who ask wait for a short grace and go on without the answer, and a call that is stuck keeps
//! its one thread until it ends. When it ends, the filesystem is asked again at the next question.

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::{StatVfsMountFlags, statvfs};

use crate::model::device::DeviceNumber;
use crate::model::mount::{FilesystemUsage, UsageError};

/// How long a question waits for calls to come back. A healthy filesystem answers in microseconds.
pub const GRACE: Duration = Duration::from_millis(20);
/// At most so many threads, stuck ones among them.
const MOST_WORKERS: usize = 16;
/// A call is called stuck when it has not come back for so long; before that it is only slow.
const STUCK_AFTER: Duration = Duration::from_secs(1);

/// One filesystem to ask about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Question {
    /// The device number that files there must have.
    pub number: DeviceNumber,
    /// Where to ask, in this mount namespace.
    pub path: PathBuf,
    /// True where files' device numbers differ from the mount's by design (btrfs subvolumes).
    pub own_numbers: bool,
}

/// What is known of one.
pub(super) type Answer = Result<FilesystemUsage, UsageError>;

/// Asks filesystems, with a limit.
#[derive(Debug, Default)]
pub struct UsageReader {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    board: Mutex<Board>,
    work: Condvar,
    done: Condvar,
}

#[derive(Debug, Default)]
struct Board {
    waiting: VecDeque<Question>,
    /// Questions waiting or being asked.
    open: HashSet<Question>,
    /// Filesystems that are being asked, and since when.
    asked: HashMap<DeviceNumber, Instant>,
    answers: HashMap<Question, Answer>,
    workers: usize,
    idle: usize,
}

impl Board {
    /// Where the first question stands that can be begun. One of a filesystem that is being asked waits for that answer: twenty
    /// pods with one dead server would else take twenty threads, and leave none for the others.
    fn next(&self) -> Option<usize> {
        self.waiting
            .iter()
            .position(|question| !self.asked.contains_key(&question.number))
    }

    fn begin(&mut self) -> Option<Question> {
        let question = self.waiting.remove(self.next()?)?;
        self.asked.insert(question.number, Instant::now());
        Some(question)
    }

    fn end(&mut self, question: Question, answer: Answer) {
        self.asked.remove(&question.number);
        self.open.remove(&question);
        self.answers.insert(question, answer);
    }
}

impl Shared {
    fn board(&self) -> MutexGuard<'_, Board> {
        // A worker cannot panic while it holds the lock: nothing in there does more than move values.
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UsageReader {
    /// Asks all at once and waits at most `grace`, or until `deadline` where that is sooner. Answers come in the
    /// order of the questions.
    pub fn ask(&mut self, questions: &[Question], grace: Duration, deadline: Instant) -> Vec<Answer> {
        let mut board = self.shared.board();
        // Answers that came too late for their question are of no use any more.
        board.answers.clear();
        let mut awaited = Vec::new();
        for question in questions {
            // A filesystem that is still being asked since an earlier round is stuck: it is not waited for again.
            if !board.asked.contains_key(&question.number) && board.open.insert(question.clone()) {
                board.waiting.push_back(question.clone());
                awaited.push(question);
            }
        }
        self.hire(&mut board);
        let mut until = deadline.min(Instant::now() + grace);
        while awaited.iter().any(|question| board.open.contains(*question)) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                // Calls that nobody has begun wait behind a stuck one: another thread takes them.
                if board.next().is_none() || board.workers >= MOST_WORKERS || Instant::now() >= deadline {
                    break;
                }
                self.hire_another(&mut board);
                until = deadline.min(Instant::now() + grace);
                continue;
            }
            board = self
                .shared
                .done
                .wait_timeout(board, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        // What nobody has begun is taken back, so that it is asked afresh next time.
        let not_begun: Vec<_> = board.waiting.drain(..).collect();
        for question in not_begun {
            board.open.remove(&question);
        }
        questions
            .iter()
            .map(|question| match board.answers.remove(question) {
                Some(answer) => answer,
                None => match board.asked.get(&question.number) {
                    Some(since) if since.elapsed() >= STUCK_AFTER => Err(UsageError::NotResponding),
                    _ => Err(UsageError::Slow),
                },
            })
            .collect()
    }

    /// How many calls have not come back.
    pub fn stuck(&self) -> usize {
        self.shared.board().asked.len()
    }

    fn hire(&self, board: &mut Board) {
        if board.waiting.is_empty() {
            return;
        }
        if board.idle == 0 {
            self.hire_another(board);
        } else {
            self.shared.work.notify_one();
        }
    }

    fn hire_another(&self, board: &mut Board) {
        if board.workers >= MOST_WORKERS {
            return;
        }
        let shared = Arc::clone(&self.shared);
        let worker = std::thread::Builder::new()
            .name("statfs".into())
            .stack_size(64 << 10)
            .spawn(move || work(&shared));
        if worker.is_ok() {
            board.workers += 1;
        }
    }
}

/// A worker's life: it takes questions until there are none, then waits. Of idle workers one is enough.
fn work(shared: &Shared) {
    let mut board = shared.board();
    loop {
        while let Some(question) = board.begin() {
            drop(board);
            let answer = usage_of(&question);
            board = shared.board();
            board.end(question, answer);
            // Who asks waits for all: waking it for each would make it look through them as often as there are answers.
            if board.next().is_none() {
                shared.done.notify_all();
            }
        }
        if board.idle > 0 {
            board.workers -= 1;
            return;
        }
        board.idle += 1;
        board = shared.work.wait(board).unwrap_or_else(PoisonError::into_inner);
        board.idle -= 1;
    }
}

/// One call, which may never come back.
fn usage_of(question: &Question) -> Answer {
    let refused = |error: rustix::io::Errno| UsageError::Refused(std::io::Error::from(error).to_string());
    let answer = statvfs(&question.path).map_err(refused)?;
    if !question.own_numbers && device_number_of(&question.path).map_err(refused)? != question.number {
        return Err(UsageError::OtherFilesystem);
    }
    let block = answer.f_frsize;
    let fixed = answer.f_files > 0;
    Ok(FilesystemUsage {
        size: answer.f_blocks.saturating_mul(block),
        free: answer.f_bfree.saturating_mul(block),
        available: answer.f_bavail.saturating_mul(block),
        files: fixed.then_some(answer.f_files),
        files_free: fixed.then_some(answer.f_ffree),
        read_only: answer.f_flag.contains(StatVfsMountFlags::RDONLY),
    })
}

fn device_number_of(path: &Path) -> rustix::io::Result<DeviceNumber> {
    let device = rustix::fs::stat(path)?.st_dev;
    Ok(DeviceNumber::new(
        rustix::fs::major(device),
        rustix::fs::minor(device),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    fn question(path: &Path) -> Question {
        Question {
            number: device_number_of(path).unwrap(),
            path: path.to_owned(),
            own_numbers: false,
        }
    }

    #[test]
    fn figures_are_those_of_the_kernel() {
        let folder = tempfile::tempdir().unwrap();
        let answers = UsageReader::default().ask(&[question(folder.path())], Duration::from_secs(5), soon());
        let expected = rustix::fs::statvfs(folder.path()).unwrap();
        assert_eq!(
            answers[0].as_ref().unwrap().size,
            expected.f_blocks * expected.f_frsize
        );
    }

    #[test]
    fn the_folder_below_a_mount_is_not_taken_for_it() {
        let wrong = Question {
            number: DeviceNumber::new(4095, 1),
            ..question(Path::new("/"))
        };
        let answers = UsageReader::default().ask(&[wrong], Duration::from_secs(5), soon());
        assert_eq!(answers, [Err(UsageError::OtherFilesystem)]);
    }

    #[test]
    fn a_missing_path_is_refused_and_costs_nobody_else() {
        let missing = Question {
            number: DeviceNumber::new(8, 1),
            path: "/nonexistent".into(),
            own_numbers: false,
        };
        let answers = UsageReader::default().ask(
            &[missing, question(Path::new("/"))],
            Duration::from_secs(5),
            soon(),
        );
        assert!(matches!(&answers[0], Err(UsageError::Refused(_))));
        assert!(answers[1].is_ok());
    }

    #[test]
    fn mounts_of_one_filesystem_are_asked_one_after_another() {
        let of = |minor, path: &str| Question {
            number: DeviceNumber::new(0, minor),
            path: path.into(),
            own_numbers: false,
        };
        let (first, second, other) = (of(60, "/pod-1"), of(60, "/pod-2"), of(61, "/other"));
        let mut board = Board::default();
        board
            .waiting
            .extend([first.clone(), second.clone(), other.clone()]);
        assert_eq!(board.begin(), Some(first.clone()));
        assert_eq!(board.begin(), Some(other));
        assert_eq!(board.begin(), None, "the first has not come back");
        board.end(first, Err(UsageError::Slow));
        assert_eq!(board.begin(), Some(second));
    }

    #[test]
    fn many_questions_at_once_leave_one_worker() {
        let mut reader = UsageReader::default();
        let folders: Vec<_> = (0..100).map(|_| tempfile::tempdir().unwrap()).collect();
        let questions: Vec<_> = folders.iter().map(|folder| question(folder.path())).collect();
        for _ in 0..20 {
            assert!(
                reader
                    .ask(&questions, Duration::from_secs(5), soon())
                    .iter()
                    .all(Result::is_ok)
            );
        }
        assert_eq!(reader.stuck(), 0);
        assert!(reader.shared.board().workers <= 2);
        assert!(reader.shared.board().answers.is_empty());
    }
}
