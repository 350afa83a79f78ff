//! The names of kubernetes-scaleio-prom, for dashboards and alerts that were made for it: `--compat scaleio`.
//!
//! Those of its names are left out that its own source never filled, and were always 0. Its units are kept: `…InKb` is KiB.

use super::exposition::{Family, Kind, Labels, Page};
use crate::model::powerflex::{Figure, System};

/// A family of each figure's name with a capital letter, whose help repeats the name, as it always did.
macro_rules! legacy {
    ($($figure:ident,)*) => {
        const FAMILIES: [(Figure, Family); [$(Figure::$figure),*].len()] = [
            $((
                Figure::$figure,
                Family::plain(
                    concat!("scaleio_", stringify!($figure)),
                    Kind::Gauge,
                    concat!("scaleio_", stringify!($figure)),
                ),
            ),)*
        ];
    };
}

legacy! {
    ActiveBckRebuildCapacityInKb,
    ActiveFwdRebuildCapacityInKb,
    ActiveMovingCapacityInKb,
    ActiveMovingInBckRebuildJobs,
    ActiveMovingInFwdRebuildJobs,
    ActiveMovingInRebalanceJobs,
    ActiveMovingOutBckRebuildJobs,
    ActiveMovingOutFwdRebuildJobs,
    ActiveMovingRebalanceJobs,
    ActiveRebalanceCapacityInKb,
    AtRestCapacityInKb,
    BckRebuildCapacityInKb,
    CapacityAvailableForVolumeAllocationInKb,
    CapacityInUseInKb,
    CapacityLimitInKb,
    DegradedFailedCapacityInKb,
    DegradedFailedVacInKb,
    DegradedHealthyCapacityInKb,
    DegradedHealthyVacInKb,
    FailedCapacityInKb,
    FailedVacInKb,
    FwdRebuildCapacityInKb,
    InUseVacInKb,
    MaxCapacityInKb,
    MovingCapacityInKb,
    NumOfDevices,
    NumOfMappedToAllVolumes,
    NumOfSnapshots,
    NumOfThickBaseVolumes,
    NumOfThinBaseVolumes,
    NumOfUnmappedVolumes,
    NumOfVolumes,
    NumOfVolumesInDeletion,
    NumOfVtrees,
    PendingBckRebuildCapacityInKb,
    PendingFwdRebuildCapacityInKb,
    PendingMovingCapacityInKb,
    PendingMovingInBckRebuildJobs,
    PendingMovingInFwdRebuildJobs,
    PendingMovingInRebalanceJobs,
    PendingMovingOutBckRebuildJobs,
    PendingMovingOutFwdRebuildJobs,
    PendingMovingRebalanceJobs,
    PendingRebalanceCapacityInKb,
    PrimaryVacInKb,
    ProtectedCapacityInKb,
    ProtectedVacInKb,
    RebalanceCapacityInKb,
    SecondaryVacInKb,
    SnapCapacityInUseInKb,
    SnapCapacityInUseOccupiedInKb,
    SpareCapacityInKb,
    ThickCapacityInUseInKb,
    ThinCapacityInUseInKb,
    UnreachableUnusedCapacityInKb,
}

/// All families that this file knows, for the reference.
pub fn families() -> impl Iterator<Item = &'static Family> {
    FAMILIES.iter().map(|(_, family)| family)
}

/// Writes them.
pub(super) fn write(page: &mut Page<'_>, systems: &[&System]) {
    let pools: Vec<_> = systems
        .iter()
        .flat_map(|system| system.pools.iter().map(|pool| (system.name.as_str(), pool)))
        .map(|(system, pool)| {
            let labels = Labels::one("system", system)
                .with("domain", &pool.domain)
                .with("pool", &pool.name);
            (pool, labels)
        })
        .collect();
    for (figure, family) in &FAMILIES {
        page.family(family, |samples| {
            for (pool, labels) in &pools {
                if let Some(value) = pool.statistics.figure(*figure) {
                    samples.add(labels, value as u64);
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_those_of_the_fields_with_a_capital_letter() {
        assert_eq!(FAMILIES.len(), 55);
        for (figure, family) in &FAMILIES {
            let field = family.name.strip_prefix("scaleio_").unwrap();
            assert!(field.starts_with(|letter: char| letter.is_ascii_uppercase()));
            assert!(field.eq_ignore_ascii_case(figure.name()), "{field}");
        }
    }
}
