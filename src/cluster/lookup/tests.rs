//! When what is named is read.

use super::*;

const TEN_MINUTES: Duration = Duration::from_secs(600);

fn named(names: &[(&str, &[&str])]) -> BTreeMap<String, BTreeSet<String>> {
    names
        .iter()
        .map(|(name, by)| ((*name).to_owned(), by.iter().map(|by| (*by).to_owned()).collect()))
        .collect()
}

#[test]
fn what_is_named_is_read_once_and_again_after_ten_minutes() {
    let start = Instant::now();
    let mut schedule = Schedule::new(TEN_MINUTES);
    assert_eq!(schedule.next(), None);
    assert!(schedule.is_complete());
    assert_eq!(
        schedule.want(named(&[("data", &["pod-1"])]), start),
        [] as [String; 0]
    );
    assert!(!schedule.is_complete());
    assert_eq!(schedule.due(start), ["data"]);
    schedule.done(&"data".to_owned(), Outcome::Settled, start, 0.0);
    assert!(schedule.is_complete());
    assert_eq!(schedule.due(start + TEN_MINUTES.mul_f64(0.79)), [] as [String; 0]);
    assert_eq!(schedule.due(start + TEN_MINUTES.mul_f64(0.81)), ["data"]);
}

#[test]
fn what_is_not_bound_is_read_more_and_more_rarely() {
    let mut now = Instant::now();
    let mut schedule = Schedule::new(TEN_MINUTES);
    schedule.want(named(&[("data", &["pod-1"])]), now);
    let mut pauses = Vec::new();
    for _ in 0..9 {
        schedule.done(&"data".to_owned(), Outcome::Changing, now, 0.5);
        let next = schedule.next().unwrap();
        pauses.push(next.saturating_duration_since(now).as_secs());
        now = next;
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
}

#[test]
fn a_claim_that_another_pod_names_is_read_at_once() {
    let start = Instant::now();
    let mut schedule = Schedule::new(TEN_MINUTES);
    schedule.want(named(&[("data", &["pod-1"])]), start);
    schedule.done(&"data".to_owned(), Outcome::Settled, start, 0.5);
    schedule.want(named(&[("data", &["pod-1"])]), start);
    assert_eq!(schedule.due(start), [] as [String; 0]);
    // It may be another claim of the same name.
    schedule.want(named(&[("data", &["pod-2"])]), start);
    assert_eq!(schedule.due(start), ["data"]);
}

#[test]
fn what_nobody_names_is_forgotten() {
    let start = Instant::now();
    let mut schedule = Schedule::new(TEN_MINUTES);
    schedule.want(named(&[("data", &["pod-1"]), ("logs", &["pod-1"])]), start);
    schedule.done(&"data".to_owned(), Outcome::Failed, start, 0.5);
    assert!(schedule.is_failing());
    assert_eq!(schedule.want(named(&[("logs", &["pod-1"])]), start), ["data"]);
    assert!(!schedule.is_failing());
    // An answer that was on its way changes nothing.
    schedule.done(&"data".to_owned(), Outcome::Settled, start, 0.5);
    assert_eq!(schedule.due(start + TEN_MINUTES * 2), ["logs"]);
}

/// The reckoning of the module's first lines.
#[test]
fn five_thousand_nodes_with_thirty_claims_each_ask_three_hundred_times_a_second() {
    let start = Instant::now();
    let hour = Duration::from_secs(3600);
    let names: Vec<String> = (0..30).map(|number| format!("claim-{number}")).collect();
    let mut asked = 0;
    for holds in [TEN_MINUTES, TEN_MINUTES * RARER] {
        let mut schedule = Schedule::new(holds);
        let by = |name: &String| (name.clone(), BTreeSet::from(["one".to_owned()]));
        schedule.want(names.iter().map(by).collect(), start);
        let (mut now, mut jitter) = (start, 0.0);
        // The first hour begins with everything at once; a node runs for months.
        while now < start + hour * 11 {
            for name in schedule.due(now) {
                asked += usize::from(now >= start + hour);
                jitter = (jitter + 0.618) % 1.0;
                schedule.done(&name, Outcome::Settled, now, jitter);
            }
            now = schedule.next().unwrap();
        }
    }
    let a_second = asked as f64 / (hour * 10).as_secs_f64() * 5000.0;
    assert!((280.0..310.0).contains(&a_second), "{a_second}");
}

#[test]
fn of_claims_without_number_so_many_are_read_in_one_go_what_waits_longest_first() {
    let start = Instant::now();
    let mut schedule = Schedule::new(TEN_MINUTES);
    let names: Vec<String> = (0..450).map(|number| format!("c{number:03}")).collect();
    let wanted: Vec<(&str, &[&str])> = names.iter().map(|name| (&**name, &["pod-1"][..])).collect();
    schedule.want(named(&wanted), start);
    let mut read = Vec::new();
    for (time, wanted) in [(0, 200), (10, 200), (20, 200)] {
        let now = start + Duration::from_secs(time);
        let due = schedule.due(now);
        assert_eq!(due.len(), wanted);
        for name in &due {
            schedule.done(name, Outcome::Changing, now, 0.5);
        }
        read.extend(due);
    }
    // None is read again before all were read once.
    assert_eq!(read[..450], names);
    assert!(schedule.is_complete());
}
