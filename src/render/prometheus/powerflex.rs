//! Families about PowerFlex systems: the system, its protection domains, its storage pools.
//!
//! The three have the same figures, as far as the array tells them of each; they are families of three, since a sum over one must not
//! count a pool, its protection domain and its system.

mod families;

use self::families::{FAMILIES, FIGURES, Families, LATENCIES, Level, Row, Shape, Unit, WINDOWS};
use super::exposition::{Family, Labels, Page, Samples, Value};
use super::scaleio;
use crate::model::backend::BackendReadings;
use crate::model::powerflex::{Counted, Generation, Statistics, System, Window};

const POOL_INFO: Family = Family::gauge(
    "powerflex_pool_info",
    "A storage pool, its ids, its devices and how it keeps its data. Always 1.",
);
const DOMAIN_INFO: Family = Family::gauge(
    "powerflex_protection_domain_info",
    "A protection domain and its id. Always 1.",
);
const SYSTEM_INFO: Family = Family::gauge(
    "powerflex_system_info",
    "A system, its id, its own name and its versions. Always 1.",
);
const VOLUME_POOL: Family = Family::gauge(
    "persistentvolume_powerflex_pool_info",
    "The storage pool that a PersistentVolume of PowerFlex lies in. Always 1.",
);

/// All families that this file knows, for the reference.
pub fn families() -> impl Iterator<Item = &'static Family> {
    const NAMES: [Family; 4] = [POOL_INFO, DOMAIN_INFO, SYSTEM_INFO, VOLUME_POOL];
    static ALL: [Families; Shape::ALL.len()] = FAMILIES;
    let levels = [Level::Pool, Level::Domain, Level::System];
    let of_levels = levels
        .into_iter()
        .flat_map(|level| ALL.iter().filter_map(move |families| families.at(level)));
    NAMES.iter().chain(of_levels)
}

/// Something that is told of, with its labels.
struct Told<'a> {
    labels: Labels,
    statistics: &'a Statistics,
    /// Samples that are no statistics.
    further: Vec<(Shape, String, Value)>,
}

/// Writes what is known of the systems.
pub fn write(page: &mut Page<'_>, readings: &BackendReadings) {
    let systems: Vec<&System> = readings.powerflex().map(|system| &**system).collect();
    if systems.is_empty() {
        return;
    }
    write_names(page, &systems, readings);
    let of_systems: Vec<Told<'_>> = systems.iter().map(|system| of_system(system)).collect();
    let of_domains: Vec<Told<'_>> = systems.iter().flat_map(|system| of_domains(system)).collect();
    let of_pools: Vec<Told<'_>> = systems.iter().flat_map(|system| of_pools(system)).collect();
    write_level(page, Level::System, &of_systems);
    write_level(page, Level::Domain, &of_domains);
    write_level(page, Level::Pool, &of_pools);
    if readings.scaleio_names {
        scaleio::write(page, &systems);
    }
}

fn write_names(page: &mut Page<'_>, systems: &[&System], readings: &BackendReadings) {
    page.family(&SYSTEM_INFO, |samples| {
        for system in systems {
            let labels = Labels::one("system", &system.name)
                .with("system_id", &system.id)
                .with_known("system_name", system.own_name.as_deref())
                .with_known("version", system.version.as_deref())
                .with_known("release", system.release.as_deref());
            samples.add(&labels, 1_u64);
        }
    });
    page.family(&DOMAIN_INFO, |samples| {
        for system in systems {
            for domain in &system.domains {
                let labels =
                    domain_labels(&system.name, &domain.name).with("protection_domain_id", &domain.id);
                samples.add(&labels, 1_u64);
            }
        }
    });
    page.family(&POOL_INFO, |samples| {
        for system in systems {
            for pool in &system.pools {
                let generation = match pool.generation {
                    Generation::Mirrored => "mirrored",
                    Generation::ErasureCoded => "erasure_coded",
                };
                let labels = domain_labels(&system.name, &pool.domain)
                    .with("storage_pool", &pool.name)
                    .with("storage_pool_id", &pool.id)
                    .with("protection_domain_id", &pool.domain_id)
                    .with("generation", generation)
                    .with_known("media_type", pool.media_type.as_deref())
                    .with_known("data_layout", pool.data_layout.as_deref());
                samples.add(&labels, 1_u64);
            }
        }
    });
    page.family(&VOLUME_POOL, |samples| {
        for place in &readings.powerflex_volumes {
            let labels = Labels::one("persistentvolume", &place.persistent_volume)
                .with("system", &place.system)
                .with("protection_domain", &place.domain)
                .with("storage_pool", &place.pool);
            samples.add(&labels, 1_u64);
        }
    });
}

fn domain_labels(system: &str, domain: &str) -> Labels {
    Labels::one("system", system).with("protection_domain", domain)
}

fn of_system(system: &System) -> Told<'_> {
    let mut further = thresholds(system.high_threshold, system.critical_threshold);
    further.extend(state(Shape::ClusterState, system.cluster_state.as_deref()));
    Told {
        labels: Labels::one("system", &system.name),
        statistics: &system.statistics,
        further,
    }
}

fn of_domains(system: &System) -> impl Iterator<Item = Told<'_>> {
    system.domains.iter().map(|domain| Told {
        labels: domain_labels(&system.name, &domain.name),
        statistics: &domain.statistics,
        further: Vec::new(),
    })
}

fn of_pools(system: &System) -> impl Iterator<Item = Told<'_>> {
    system.pools.iter().map(|pool| {
        let mut further = thresholds(pool.high_threshold, pool.critical_threshold);
        further.extend(state(Shape::CapacityState, pool.capacity_state.as_deref()));
        let plain = [
            (Shape::UsedRatio, pool.used().map(Value::from)),
            (Shape::SpareRatio, pool.spare.map(Value::from)),
            (Shape::Rebuilds, pool.rebuilds.map(Value::from)),
            (Shape::Rebalances, pool.rebalances.map(Value::from)),
        ];
        let plain = plain.into_iter();
        further.extend(plain.filter_map(|(shape, value)| Some((shape, String::new(), value?))));
        Told {
            labels: domain_labels(&system.name, &pool.domain).with("storage_pool", &pool.name),
            statistics: &pool.statistics,
            further,
        }
    })
}

fn thresholds(high: Option<f64>, critical: Option<f64>) -> Vec<(Shape, String, Value)> {
    let both = [("high", high), ("critical", critical)].into_iter();
    both.filter_map(|(severity, share)| {
        Some((
            Shape::Threshold,
            format!("severity=\"{severity}\""),
            Value::from(share?),
        ))
    })
    .collect()
}

/// A state in the array's own words, as far as it is a word.
fn state(shape: Shape, state: Option<&str>) -> Option<(Shape, String, Value)> {
    let state = state
        .filter(|state| !state.is_empty() && state.chars().all(|letter| letter.is_ascii_alphanumeric()))?;
    Some((shape, format!("state=\"{state}\""), Value::Whole(1)))
}

fn write_level(page: &mut Page<'_>, level: Level, told: &[Told<'_>]) {
    for shape in Shape::ALL {
        let Some(family) = FAMILIES[shape as usize].at(level) else {
            continue;
        };
        let rows = rows(shape);
        page.family(family, |samples| {
            for told in told {
                // What is known of a thing is one sample, by whatever name the array tells it.
                let mut seen = Vec::new();
                write_figures(samples, rows, told, &mut seen);
                write_windows(samples, shape, told, &seen);
                for (_, extra, value) in told.further.iter().filter(|(of, _, _)| *of == shape) {
                    samples.add_with(&told.labels, extra, *value);
                }
            }
        });
    }
}

/// The figures of one kind, which lie side by side.
fn rows(shape: Shape) -> &'static [Row] {
    let place = |(of, ..): &Row| *of as usize;
    let first = FIGURES.partition_point(|row| place(row) < shape as usize);
    let after = FIGURES.partition_point(|row| place(row) <= shape as usize);
    &FIGURES[first..after]
}

/// Those are added to `seen` that were written.
fn write_figures<'a>(
    samples: &mut Samples<'_, '_>,
    rows: &'a [Row],
    told: &Told<'_>,
    seen: &mut Vec<&'a str>,
) {
    for (_, figure, unit, extra) in rows {
        if let Some(value) = told.statistics.figure(*figure)
            && !seen.contains(extra)
        {
            let value = match unit {
                Unit::Kib => value * 1024.0,
                Unit::Plain => value,
                Unit::Microseconds => value / 1e6,
            };
            if value.is_finite() {
                seen.push(extra);
                samples.add_with(&told.labels, extra, number(value));
            }
        }
    }
}

fn write_windows(samples: &mut Samples<'_, '_>, shape: Shape, told: &Told<'_>, seen: &[&str]) {
    type Of = fn(Counted) -> Option<f64>;
    let (windows, of): (&[(Window, &str)], Of) = match shape {
        Shape::Iops => (&WINDOWS, Counted::per_second),
        Shape::Throughput => (&WINDOWS, Counted::bytes_per_second),
        Shape::Latency => (&LATENCIES, Counted::mean_seconds),
        Shape::WindowLength => {
            let window = told.statistics.window(Window::UserDataReadBwc);
            if let Some(window) = window.filter(|window| window.seconds > 0.0) {
                samples.add(&told.labels, number(window.seconds));
            }
            return;
        }
        _ => return,
    };
    for (window, extra) in windows {
        if !seen.contains(extra)
            && let Some(value) = told.statistics.window(*window).and_then(of)
        {
            samples.add_with(&told.labels, extra, number(value));
        }
    }
}

/// Whole numbers are written as such.
fn number(value: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && (0.0..EXACT).contains(&value) {
        Value::Whole(value as u64)
    } else {
        Value::Real(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::powerflex::{Figure, Pool};
    use crate::render::prometheus::exposition::Format;

    #[test]
    fn every_figure_that_is_asked_for_is_written() {
        let written = |figure: Figure| FIGURES.iter().any(|(_, known, ..)| *known == figure);
        let unwritten: Vec<_> = Figure::ALL
            .into_iter()
            .filter(|figure| !written(*figure))
            .collect();
        // A pool's share in use has a family that pools of both generations have.
        assert_eq!(unwritten, [Figure::UtilizationRatio]);
        let windows = WINDOWS.iter().chain(&LATENCIES);
        assert_eq!(windows.count(), Window::ALL.len());
    }

    #[test]
    fn the_figures_of_each_kind_are_found() {
        for shape in Shape::ALL {
            let of_shape: Vec<_> = FIGURES.iter().filter(|(of, ..)| *of == shape).collect();
            assert!(of_shape.into_iter().eq(rows(shape)), "{shape:?}");
        }
    }

    #[test]
    fn what_is_told_as_a_figure_and_over_a_window_is_one_sample() {
        let mut pool = Pool::default();
        pool.statistics.add(Figure::HostReadIops, 7.0);
        let busy = Counted {
            seconds: 5.0,
            weight: 2000.0,
            occurrences: 500.0,
        };
        for window in [Window::UserDataReadBwc, Window::UserDataWriteBwc] {
            pool.statistics.add_window(window, busy);
        }
        let mut system = System::new("prod");
        system.pools.push(pool);
        let mut text = String::new();
        let mut take = |piece: &str| text.push_str(piece);
        let mut page = Page::new(Format::Text, &mut take);
        write_level(&mut page, Level::Pool, &of_pools(&system).collect::<Vec<_>>());
        page.finish();
        let lines = text.lines();
        let told: Vec<&str> = lines
            .filter(|line| line.starts_with("storage_probe_powerflex_pool_iops{"))
            .collect();
        assert_eq!(
            told,
            [
                r#"storage_probe_powerflex_pool_iops{system="prod",traffic="user_data",operation="read"} 7"#,
                r#"storage_probe_powerflex_pool_iops{system="prod",traffic="user_data",operation="write"} 100"#,
            ]
        );
    }

    #[test]
    fn whole_numbers_have_no_fraction() {
        assert!(matches!(number(3.0), Value::Whole(3)));
        assert!(matches!(number(0.5), Value::Real(_)));
        assert!(matches!(number(4.611_686_017_353_646e18), Value::Real(_)));
    }
}
