//! Families about PowerFlex systems: the system, its protection domains, its storage pools.
//!
//! The three have the same figures, as far as the array tells them of each; they are families of three, since a sum over one must not
//! count a pool, its protection domain and its system.

use super::exposition::{Family, Kind, Labels, Page, Samples, Value};
use super::scaleio;
use crate::model::backend::BackendReadings;
use crate::model::powerflex::{Counted, Figure, Generation, Statistics, System, Window};

/// What is told of: a pool (P), a protection domain (D), a system (S).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Pool,
    Domain,
    System,
}

/// A kind of figure, and its family at each level that has it.
#[derive(Debug)]
struct Families {
    pool: Option<Family>,
    domain: Option<Family>,
    system: Option<Family>,
}

impl Families {
    fn at(&self, level: Level) -> Option<&Family> {
        match level {
            Level::Pool => self.pool.as_ref(),
            Level::Domain => self.domain.as_ref(),
            Level::System => self.system.as_ref(),
        }
    }
}

/// One family for each kind of figure and each level that has it.
macro_rules! shapes {
    ($($shape:ident $levels:ident $name:literal $help:literal;)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        enum Shape {
            $($shape,)*
        }

        impl Shape {
            const ALL: [Self; [$($name),*].len()] = [$(Self::$shape),*];
        }

        const FAMILIES: [Families; Shape::ALL.len()] = [$(shapes!(@$levels $name $help),)*];
    };
    (@PDS $name:literal $help:literal) => {
        Families {
            pool: Some(gauge(concat!("powerflex_pool_", $name), $help)),
            domain: Some(gauge(concat!("powerflex_protection_domain_", $name), $help)),
            system: Some(gauge(concat!("powerflex_system_", $name), $help)),
        }
    };
    (@PS $name:literal $help:literal) => {
        Families { domain: None, ..shapes!(@PDS $name $help) }
    };
    (@P $name:literal $help:literal) => {
        Families { domain: None, system: None, ..shapes!(@PDS $name $help) }
    };
    (@S $name:literal $help:literal) => {
        Families { pool: None, domain: None, ..shapes!(@PDS $name $help) }
    };
}

const fn gauge(name: &'static str, help: &'static str) -> Family {
    Family::new(name, Kind::Gauge, help)
}

shapes! {
    RawCapacity PDS "raw_capacity_bytes" "Capacity of all devices, both copies counted.";
    RawLimit PDS "raw_capacity_limit_bytes" "What of the raw capacity may be used.";
    RawUsed PDS "raw_used_bytes" "Raw capacity in use, all copies and all redundancy counted.";
    RawSpare PDS "raw_spare_bytes" "Raw capacity that is kept free for rebuilds.";
    RawUnused PDS "raw_unused_bytes" "Raw capacity that is not in use.";
    RawUnreachable PDS "raw_unreachable_bytes" "Raw capacity that is not in use and lies on devices that cannot be reached.";
    RawUsedByKind PDS "raw_used_by_kind_bytes" "Raw capacity in use by what it is used for: thick and thin volumes, snapshots, and what snapshots occupy of it.";
    RawState PDS "raw_state_bytes" "Raw capacity in use by the state of its data: protected by two copies, degraded to one, failed.";
    ThinAllocated PDS "thin_allocated_bytes" "Size that thin volumes have been given, whether it is filled or not.";
    AddressState P "address_space_state_bytes" "Address space of volumes by the state of its data, both copies counted.";
    Moving PDS "moving_capacity_bytes" "Raw capacity that is or will be moved or rebuilt, by what for.";
    Jobs P "moving_jobs" "Jobs that move or rebuild data, by what for.";
    UsableCapacity P "usable_capacity_bytes" "Capacity for data after redundancy (pools with erasure coding).";
    UsableAvailable PDS "usable_available_bytes" "What new volumes can be made of, as the array reckons it.";
    UsableLimit P "usable_allocation_limit_bytes" "Most that volumes may be made of, as the array reckons it.";
    UsableUsed PS "usable_used_bytes" "Capacity in use, each piece of data counted once (from 3.0 on).";
    UsableUnused PS "usable_unused_bytes" "Capacity not in use, as so much data (from 3.0 on).";
    UsableOverhead P "usable_overhead_bytes" "Capacity that the pool itself takes (pools with erasure coding).";
    UsableProvisioned S "usable_provisioned_bytes" "Size that all volumes have been given (from 3.0 on).";
    LogicalUsed P "logical_used_bytes" "Data as volumes see it, before compression (pools with erasure coding).";
    LogicalProvisioned P "logical_provisioned_bytes" "Size that volumes have been given (pools with erasure coding).";
    LogicalOwned P "logical_owned_bytes" "Data that is not shared with another volume or snapshot (pools with erasure coding).";
    OverProvisioning P "over_provisioning_limit_bytes" "Most that volumes may be given together (pools with erasure coding).";
    DataReduction P "data_reduction_ratio" "How many bytes of data lie in one byte of capacity (pools with erasure coding).";
    ThinProvisioning P "thin_provisioning_ratio" "How many times the data the size of its volumes is (pools with erasure coding).";
    Compression PS "compression_ratio" "How many bytes of data lie in one byte of capacity, where the pool compresses (from 3.0 on).";
    Volumes PDS "volumes" "Volumes, snapshots among them.";
    Snapshots PDS "snapshots" "Snapshots.";
    Devices PDS "devices" "Devices.";
    VolumeTrees PDS "volume_trees" "Trees of a volume and its snapshots.";
    BaseVolumes PDS "base_volumes" "Volumes that are no snapshots, by how they are provisioned.";
    UnmappedVolumes PDS "unmapped_volumes" "Volumes that no client has.";
    MappedToAll PDS "volumes_mapped_to_all" "Volumes that every client has.";
    InDeletion PDS "volumes_in_deletion" "Volumes that are being deleted.";
    Domains S "protection_domains" "Protection domains.";
    Pools S "storage_pools" "Storage pools.";
    Servers S "data_servers" "Servers that give devices (SDS).";
    Clients S "data_clients" "Clients that use volumes (SDC).";
    Iops PDS "iops" "Requests a second over the array's own window of some seconds, absent where that is empty; traffic says between whom.";
    Throughput PDS "throughput_bytes_per_second" "Bytes a second over the array's own window of some seconds, absent where that is empty.";
    Latency PS "latency_seconds" "What a request took on average over the array's own window, absent where there was none (from 3.0 on).";
    WindowLength PDS "window_seconds" "Length of the array's window for what clients read, absent where it is empty.";
    UsedRatio P "used_ratio" "Share of what can be filled that is in use: what the array's thresholds are about.";
    Threshold PS "capacity_alert_threshold_ratio" "Share of the capacity at which the array raises an alert.";
    SpareRatio P "spare_ratio" "Share of the raw capacity that is to be kept free for rebuilds.";
    Rebuilds P "rebuild_enabled" "1 where what was lost is rebuilt.";
    Rebalances P "rebalance_enabled" "1 where data are spread evenly.";
    CapacityState P "capacity_state" "What the array thinks of the capacity in use, in its own words. Always 1.";
    ClusterState S "cluster_state" "How the metadata managers fare, in their own words; ClusteredNormal is well. Always 1.";
}

const POOL_INFO: Family = gauge(
    "powerflex_pool_info",
    "A storage pool, its ids, its devices and how it keeps its data. Always 1.",
);
const DOMAIN_INFO: Family = gauge(
    "powerflex_protection_domain_info",
    "A protection domain and its id. Always 1.",
);
const SYSTEM_INFO: Family = gauge(
    "powerflex_system_info",
    "A system, its id, its own name and its versions. Always 1.",
);
const VOLUME_POOL: Family = gauge(
    "persistentvolume_powerflex_pool_info",
    "The storage pool that a PersistentVolume of PowerFlex lies in. Always 1.",
);

/// The unit in which PowerFlex gives a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    /// KiB.
    Kib,
    /// That of the family.
    Plain,
    Microseconds,
}

/// Which figure is a sample of which family, with which further labels.
type Row = (Shape, Figure, Unit, &'static str);

const FIGURES: [Row; 98] = [
    (Shape::RawCapacity, Figure::MaxCapacityInKb, Unit::Kib, ""),
    (Shape::RawLimit, Figure::CapacityLimitInKb, Unit::Kib, ""),
    (Shape::RawUsed, Figure::CapacityInUseInKb, Unit::Kib, ""),
    (Shape::RawUsed, Figure::RawUsed, Unit::Plain, ""),
    (Shape::RawSpare, Figure::SpareCapacityInKb, Unit::Kib, ""),
    (Shape::RawUnused, Figure::UnusedCapacityInKb, Unit::Kib, ""),
    (
        Shape::RawUnreachable,
        Figure::UnreachableUnusedCapacityInKb,
        Unit::Kib,
        "",
    ),
    (
        Shape::RawUsedByKind,
        Figure::ThickCapacityInUseInKb,
        Unit::Kib,
        "kind=\"thick\"",
    ),
    (
        Shape::RawUsedByKind,
        Figure::ThinCapacityInUseInKb,
        Unit::Kib,
        "kind=\"thin\"",
    ),
    (
        Shape::RawUsedByKind,
        Figure::SnapCapacityInUseInKb,
        Unit::Kib,
        "kind=\"snapshot\"",
    ),
    (
        Shape::RawUsedByKind,
        Figure::SnapCapacityInUseOccupiedInKb,
        Unit::Kib,
        "kind=\"snapshot_occupied\"",
    ),
    (
        Shape::RawState,
        Figure::ProtectedCapacityInKb,
        Unit::Kib,
        "state=\"protected\"",
    ),
    (
        Shape::RawState,
        Figure::SemiProtectedCapacityInKb,
        Unit::Kib,
        "state=\"semi_protected\"",
    ),
    (
        Shape::RawState,
        Figure::DegradedHealthyCapacityInKb,
        Unit::Kib,
        "state=\"degraded_healthy\"",
    ),
    (
        Shape::RawState,
        Figure::DegradedFailedCapacityInKb,
        Unit::Kib,
        "state=\"degraded_failed\"",
    ),
    (
        Shape::RawState,
        Figure::FailedCapacityInKb,
        Unit::Kib,
        "state=\"failed\"",
    ),
    (
        Shape::RawState,
        Figure::AtRestCapacityInKb,
        Unit::Kib,
        "state=\"at_rest\"",
    ),
    (
        Shape::RawState,
        Figure::InMaintenanceCapacityInKb,
        Unit::Kib,
        "state=\"in_maintenance\"",
    ),
    (
        Shape::ThinAllocated,
        Figure::ThinCapacityAllocatedInKb,
        Unit::Kib,
        "",
    ),
    (
        Shape::AddressState,
        Figure::ProtectedVacInKb,
        Unit::Kib,
        "state=\"protected\"",
    ),
    (
        Shape::AddressState,
        Figure::SemiProtectedVacInKb,
        Unit::Kib,
        "state=\"semi_protected\"",
    ),
    (
        Shape::AddressState,
        Figure::DegradedHealthyVacInKb,
        Unit::Kib,
        "state=\"degraded_healthy\"",
    ),
    (
        Shape::AddressState,
        Figure::DegradedFailedVacInKb,
        Unit::Kib,
        "state=\"degraded_failed\"",
    ),
    (
        Shape::AddressState,
        Figure::FailedVacInKb,
        Unit::Kib,
        "state=\"failed\"",
    ),
    (
        Shape::AddressState,
        Figure::InUseVacInKb,
        Unit::Kib,
        "state=\"in_use\"",
    ),
    (
        Shape::AddressState,
        Figure::PrimaryVacInKb,
        Unit::Kib,
        "state=\"primary\"",
    ),
    (
        Shape::AddressState,
        Figure::SecondaryVacInKb,
        Unit::Kib,
        "state=\"secondary\"",
    ),
    (
        Shape::AddressState,
        Figure::InMaintenanceVacInKb,
        Unit::Kib,
        "state=\"in_maintenance\"",
    ),
    (
        Shape::Moving,
        Figure::MovingCapacityInKb,
        Unit::Kib,
        "job=\"any\",state=\"all\"",
    ),
    (
        Shape::Moving,
        Figure::ActiveMovingCapacityInKb,
        Unit::Kib,
        "job=\"any\",state=\"active\"",
    ),
    (
        Shape::Moving,
        Figure::PendingMovingCapacityInKb,
        Unit::Kib,
        "job=\"any\",state=\"pending\"",
    ),
    (
        Shape::Moving,
        Figure::FwdRebuildCapacityInKb,
        Unit::Kib,
        "job=\"forward_rebuild\",state=\"all\"",
    ),
    (
        Shape::Moving,
        Figure::ActiveFwdRebuildCapacityInKb,
        Unit::Kib,
        "job=\"forward_rebuild\",state=\"active\"",
    ),
    (
        Shape::Moving,
        Figure::PendingFwdRebuildCapacityInKb,
        Unit::Kib,
        "job=\"forward_rebuild\",state=\"pending\"",
    ),
    (
        Shape::Moving,
        Figure::BckRebuildCapacityInKb,
        Unit::Kib,
        "job=\"backward_rebuild\",state=\"all\"",
    ),
    (
        Shape::Moving,
        Figure::ActiveBckRebuildCapacityInKb,
        Unit::Kib,
        "job=\"backward_rebuild\",state=\"active\"",
    ),
    (
        Shape::Moving,
        Figure::PendingBckRebuildCapacityInKb,
        Unit::Kib,
        "job=\"backward_rebuild\",state=\"pending\"",
    ),
    (
        Shape::Moving,
        Figure::NormRebuildCapacityInKb,
        Unit::Kib,
        "job=\"normal_rebuild\",state=\"all\"",
    ),
    (
        Shape::Moving,
        Figure::ActiveNormRebuildCapacityInKb,
        Unit::Kib,
        "job=\"normal_rebuild\",state=\"active\"",
    ),
    (
        Shape::Moving,
        Figure::PendingNormRebuildCapacityInKb,
        Unit::Kib,
        "job=\"normal_rebuild\",state=\"pending\"",
    ),
    (
        Shape::Moving,
        Figure::RebalanceCapacityInKb,
        Unit::Kib,
        "job=\"rebalance\",state=\"all\"",
    ),
    (
        Shape::Moving,
        Figure::ActiveRebalanceCapacityInKb,
        Unit::Kib,
        "job=\"rebalance\",state=\"active\"",
    ),
    (
        Shape::Moving,
        Figure::PendingRebalanceCapacityInKb,
        Unit::Kib,
        "job=\"rebalance\",state=\"pending\"",
    ),
    (
        Shape::Jobs,
        Figure::ActiveMovingInFwdRebuildJobs,
        Unit::Plain,
        "job=\"forward_rebuild\",direction=\"in\",state=\"active\"",
    ),
    (
        Shape::Jobs,
        Figure::ActiveMovingInBckRebuildJobs,
        Unit::Plain,
        "job=\"backward_rebuild\",direction=\"in\",state=\"active\"",
    ),
    (
        Shape::Jobs,
        Figure::ActiveMovingInNormRebuildJobs,
        Unit::Plain,
        "job=\"normal_rebuild\",direction=\"in\",state=\"active\"",
    ),
    (
        Shape::Jobs,
        Figure::ActiveMovingInRebalanceJobs,
        Unit::Plain,
        "job=\"rebalance\",direction=\"in\",state=\"active\"",
    ),
    (
        Shape::Jobs,
        Figure::ActiveMovingOutFwdRebuildJobs,
        Unit::Plain,
        "job=\"forward_rebuild\",direction=\"out\",state=\"active\"",
    ),
    (
        Shape::Jobs,
        Figure::ActiveMovingOutBckRebuildJobs,
        Unit::Plain,
        "job=\"backward_rebuild\",direction=\"out\",state=\"active\"",
    ),
    (
        Shape::Jobs,
        Figure::ActiveMovingOutNormRebuildJobs,
        Unit::Plain,
        "job=\"normal_rebuild\",direction=\"out\",state=\"active\"",
    ),
    (
        Shape::Jobs,
        Figure::ActiveMovingRebalanceJobs,
        Unit::Plain,
        "job=\"rebalance\",state=\"active\"",
    ),
    (
        Shape::Jobs,
        Figure::PendingMovingInFwdRebuildJobs,
        Unit::Plain,
        "job=\"forward_rebuild\",direction=\"in\",state=\"pending\"",
    ),
    (
        Shape::Jobs,
        Figure::PendingMovingInBckRebuildJobs,
        Unit::Plain,
        "job=\"backward_rebuild\",direction=\"in\",state=\"pending\"",
    ),
    (
        Shape::Jobs,
        Figure::PendingMovingInNormRebuildJobs,
        Unit::Plain,
        "job=\"normal_rebuild\",direction=\"in\",state=\"pending\"",
    ),
    (
        Shape::Jobs,
        Figure::PendingMovingInRebalanceJobs,
        Unit::Plain,
        "job=\"rebalance\",direction=\"in\",state=\"pending\"",
    ),
    (
        Shape::Jobs,
        Figure::PendingMovingOutFwdRebuildJobs,
        Unit::Plain,
        "job=\"forward_rebuild\",direction=\"out\",state=\"pending\"",
    ),
    (
        Shape::Jobs,
        Figure::PendingMovingOutBckRebuildJobs,
        Unit::Plain,
        "job=\"backward_rebuild\",direction=\"out\",state=\"pending\"",
    ),
    (
        Shape::Jobs,
        Figure::PendingMovingOutNormrebuildJobs,
        Unit::Plain,
        "job=\"normal_rebuild\",direction=\"out\",state=\"pending\"",
    ),
    (
        Shape::Jobs,
        Figure::PendingMovingRebalanceJobs,
        Unit::Plain,
        "job=\"rebalance\",state=\"pending\"",
    ),
    (Shape::UsableCapacity, Figure::PhysicalTotal, Unit::Plain, ""),
    (
        Shape::UsableAvailable,
        Figure::CapacityAvailableForVolumeAllocationInKb,
        Unit::Kib,
        "",
    ),
    (
        Shape::UsableLimit,
        Figure::VolumeAllocationLimitInKb,
        Unit::Kib,
        "",
    ),
    (Shape::UsableUsed, Figure::NetUserDataCapacityInKb, Unit::Kib, ""),
    (Shape::UsableUsed, Figure::NetCapacityInUseInKb, Unit::Kib, ""),
    (Shape::UsableUsed, Figure::PhysicalUsed, Unit::Plain, ""),
    (Shape::UsableUnused, Figure::NetUnusedCapacityInKb, Unit::Kib, ""),
    (Shape::UsableUnused, Figure::PhysicalFree, Unit::Plain, ""),
    (Shape::UsableOverhead, Figure::PhysicalSystem, Unit::Plain, ""),
    (
        Shape::UsableProvisioned,
        Figure::NetProvisionedAddressesInKb,
        Unit::Kib,
        "",
    ),
    (Shape::LogicalUsed, Figure::LogicalUsed, Unit::Plain, ""),
    (
        Shape::LogicalProvisioned,
        Figure::LogicalProvisioned,
        Unit::Plain,
        "",
    ),
    (Shape::LogicalOwned, Figure::LogicalOwned, Unit::Plain, ""),
    (
        Shape::OverProvisioning,
        Figure::OverProvisioningLimit,
        Unit::Plain,
        "",
    ),
    (Shape::DataReduction, Figure::DataReductionRatio, Unit::Plain, ""),
    (
        Shape::ThinProvisioning,
        Figure::ThinProvisioningRatio,
        Unit::Plain,
        "",
    ),
    (Shape::Compression, Figure::CompressionRatio, Unit::Plain, ""),
    (Shape::Volumes, Figure::NumOfVolumes, Unit::Plain, ""),
    (Shape::Snapshots, Figure::NumOfSnapshots, Unit::Plain, ""),
    (Shape::Devices, Figure::NumOfDevices, Unit::Plain, ""),
    (Shape::VolumeTrees, Figure::NumOfVtrees, Unit::Plain, ""),
    (
        Shape::BaseVolumes,
        Figure::NumOfThickBaseVolumes,
        Unit::Plain,
        "provisioning=\"thick\"",
    ),
    (
        Shape::BaseVolumes,
        Figure::NumOfThinBaseVolumes,
        Unit::Plain,
        "provisioning=\"thin\"",
    ),
    (
        Shape::UnmappedVolumes,
        Figure::NumOfUnmappedVolumes,
        Unit::Plain,
        "",
    ),
    (
        Shape::MappedToAll,
        Figure::NumOfMappedToAllVolumes,
        Unit::Plain,
        "",
    ),
    (Shape::InDeletion, Figure::NumOfVolumesInDeletion, Unit::Plain, ""),
    (Shape::Domains, Figure::NumOfProtectionDomains, Unit::Plain, ""),
    (Shape::Pools, Figure::NumOfStoragePools, Unit::Plain, ""),
    (Shape::Servers, Figure::NumOfSds, Unit::Plain, ""),
    (Shape::Clients, Figure::NumOfSdc, Unit::Plain, ""),
    (
        Shape::Iops,
        Figure::HostReadIops,
        Unit::Plain,
        "traffic=\"user_data\",operation=\"read\"",
    ),
    (
        Shape::Throughput,
        Figure::HostReadBandwidth,
        Unit::Plain,
        "traffic=\"user_data\",operation=\"read\"",
    ),
    (
        Shape::Latency,
        Figure::AvgHostReadLatency,
        Unit::Microseconds,
        "traffic=\"user_data\",operation=\"read\"",
    ),
    (
        Shape::Iops,
        Figure::HostWriteIops,
        Unit::Plain,
        "traffic=\"user_data\",operation=\"write\"",
    ),
    (
        Shape::Throughput,
        Figure::HostWriteBandwidth,
        Unit::Plain,
        "traffic=\"user_data\",operation=\"write\"",
    ),
    (
        Shape::Latency,
        Figure::AvgHostWriteLatency,
        Unit::Microseconds,
        "traffic=\"user_data\",operation=\"write\"",
    ),
    (
        Shape::Iops,
        Figure::HostTrimIops,
        Unit::Plain,
        "traffic=\"user_data\",operation=\"trim\"",
    ),
    (
        Shape::Throughput,
        Figure::HostTrimBandwidth,
        Unit::Plain,
        "traffic=\"user_data\",operation=\"trim\"",
    ),
    (
        Shape::Latency,
        Figure::AvgHostTrimLatency,
        Unit::Microseconds,
        "traffic=\"user_data\",operation=\"trim\"",
    ),
];

/// Which window is of which traffic and operation.
const WINDOWS: [(Window, &str); 22] = [
    (
        Window::UserDataReadBwc,
        "traffic=\"user_data\",operation=\"read\"",
    ),
    (
        Window::UserDataWriteBwc,
        "traffic=\"user_data\",operation=\"write\"",
    ),
    (Window::TotalReadBwc, "traffic=\"total\",operation=\"read\""),
    (Window::TotalWriteBwc, "traffic=\"total\",operation=\"write\""),
    (Window::PrimaryReadBwc, "traffic=\"primary\",operation=\"read\""),
    (Window::PrimaryWriteBwc, "traffic=\"primary\",operation=\"write\""),
    (
        Window::SecondaryReadBwc,
        "traffic=\"secondary\",operation=\"read\"",
    ),
    (
        Window::SecondaryWriteBwc,
        "traffic=\"secondary\",operation=\"write\"",
    ),
    (
        Window::FwdRebuildReadBwc,
        "traffic=\"forward_rebuild\",operation=\"read\"",
    ),
    (
        Window::FwdRebuildWriteBwc,
        "traffic=\"forward_rebuild\",operation=\"write\"",
    ),
    (
        Window::BckRebuildReadBwc,
        "traffic=\"backward_rebuild\",operation=\"read\"",
    ),
    (
        Window::BckRebuildWriteBwc,
        "traffic=\"backward_rebuild\",operation=\"write\"",
    ),
    (
        Window::NormRebuildReadBwc,
        "traffic=\"normal_rebuild\",operation=\"read\"",
    ),
    (
        Window::NormRebuildWriteBwc,
        "traffic=\"normal_rebuild\",operation=\"write\"",
    ),
    (
        Window::RebalanceReadBwc,
        "traffic=\"rebalance\",operation=\"read\"",
    ),
    (
        Window::RebalanceWriteBwc,
        "traffic=\"rebalance\",operation=\"write\"",
    ),
    (
        Window::VolMigrationReadBwc,
        "traffic=\"volume_migration\",operation=\"read\"",
    ),
    (
        Window::VolMigrationWriteBwc,
        "traffic=\"volume_migration\",operation=\"write\"",
    ),
    (
        Window::PrimaryReadFromDevBwc,
        "traffic=\"primary_from_device\",operation=\"read\"",
    ),
    (
        Window::PrimaryReadFromRmcacheBwc,
        "traffic=\"primary_from_cache\",operation=\"read\"",
    ),
    (
        Window::SecondaryReadFromDevBwc,
        "traffic=\"secondary_from_device\",operation=\"read\"",
    ),
    (
        Window::SecondaryReadFromRmcacheBwc,
        "traffic=\"secondary_from_cache\",operation=\"read\"",
    ),
];

/// Likewise, of those that are latencies.
const LATENCIES: [(Window, &str); 2] = [
    (
        Window::UserDataSdcReadLatency,
        "traffic=\"user_data\",operation=\"read\"",
    ),
    (
        Window::UserDataSdcWriteLatency,
        "traffic=\"user_data\",operation=\"write\"",
    ),
];

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
        let rows: Vec<&Row> = FIGURES.iter().filter(|(of, ..)| *of == shape).collect();
        page.family(family, |samples| {
            for told in told {
                write_figures(samples, &rows, told);
                write_windows(samples, shape, told);
                for (_, extra, value) in told.further.iter().filter(|(of, _, _)| *of == shape) {
                    samples.add_with(&told.labels, extra, *value);
                }
            }
        });
    }
}

fn write_figures(samples: &mut Samples<'_, '_>, rows: &[&Row], told: &Told<'_>) {
    // What is known of a thing is one sample, by whatever name the array tells it.
    let mut seen: Vec<&str> = Vec::new();
    for (_, figure, unit, extra) in rows {
        if let Some(value) = told.statistics.figure(*figure)
            && !seen.contains(extra)
        {
            seen.push(extra);
            let value = match unit {
                Unit::Kib => value * 1024.0,
                Unit::Plain => value,
                Unit::Microseconds => value / 1e6,
            };
            samples.add_with(&told.labels, extra, number(value));
        }
    }
}

fn write_windows(samples: &mut Samples<'_, '_>, shape: Shape, told: &Told<'_>) {
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
        if let Some(value) = told.statistics.window(*window).and_then(of) {
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
    fn whole_numbers_have_no_fraction() {
        assert!(matches!(number(3.0), Value::Whole(3)));
        assert!(matches!(number(0.5), Value::Real(_)));
        assert!(matches!(number(4.611_686_017_353_646e18), Value::Real(_)));
    }
}
