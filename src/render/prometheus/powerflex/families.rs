//! The families of PowerFlex, and which of its figures is a sample of which.

use crate::model::powerflex::{Figure, Window};
use crate::render::prometheus::exposition::Family;

/// What is told of: a pool (P), a protection domain (D), a system (S).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Pool,
    Domain,
    System,
}

/// A kind of figure, and its family at each level that has it.
#[derive(Debug)]
pub(super) struct Families {
    pool: Option<Family>,
    domain: Option<Family>,
    system: Option<Family>,
}

impl Families {
    pub(super) fn at(&self, level: Level) -> Option<&Family> {
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
        /// A kind of figure.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Shape {
            $($shape,)*
        }

        impl Shape {
            pub(super) const ALL: [Self; [$($name),*].len()] = [$(Self::$shape),*];
        }

        pub(super) const FAMILIES: [Families; Shape::ALL.len()] = [$(shapes!(@$levels $name $help),)*];
    };
    (@PDS $name:literal $help:literal) => {
        Families {
            pool: Some(Family::gauge(concat!("powerflex_pool_", $name), $help)),
            domain: Some(Family::gauge(concat!("powerflex_protection_domain_", $name), $help)),
            system: Some(Family::gauge(concat!("powerflex_system_", $name), $help)),
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

/// The unit in which PowerFlex gives a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// KiB.
    Kib,
    /// That of the family.
    Plain,
    Microseconds,
}

/// Which figure is a sample of which family, with which further labels; in order of the families.
pub(super) type Row = (Shape, Figure, Unit, &'static str);

pub(super) static FIGURES: [Row; 98] = [
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
        Shape::Iops,
        Figure::HostWriteIops,
        Unit::Plain,
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
        Figure::HostReadBandwidth,
        Unit::Plain,
        "traffic=\"user_data\",operation=\"read\"",
    ),
    (
        Shape::Throughput,
        Figure::HostWriteBandwidth,
        Unit::Plain,
        "traffic=\"user_data\",operation=\"write\"",
    ),
    (
        Shape::Throughput,
        Figure::HostTrimBandwidth,
        Unit::Plain,
        "traffic=\"user_data\",operation=\"trim\"",
    ),
    (
        Shape::Latency,
        Figure::AvgHostReadLatency,
        Unit::Microseconds,
        "traffic=\"user_data\",operation=\"read\"",
    ),
    (
        Shape::Latency,
        Figure::AvgHostWriteLatency,
        Unit::Microseconds,
        "traffic=\"user_data\",operation=\"write\"",
    ),
    (
        Shape::Latency,
        Figure::AvgHostTrimLatency,
        Unit::Microseconds,
        "traffic=\"user_data\",operation=\"trim\"",
    ),
];

/// Which window is of which traffic and operation.
pub(super) const WINDOWS: [(Window, &str); 22] = [
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
pub(super) const LATENCIES: [(Window, &str); 2] = [
    (
        Window::UserDataSdcReadLatency,
        "traffic=\"user_data\",operation=\"read\"",
    ),
    (
        Window::UserDataSdcWriteLatency,
        "traffic=\"user_data\",operation=\"write\"",
    ),
];
