//! Which figures are asked for, by the version of the gateway: one property that it does not know fails a whole query.
//!
//! Those of 2.x are what a system of that age tells of itself; those of 3.x are what Dell's own tools ask of it.

use crate::model::powerflex::{Figure, Window};

/// Figures of pools, protection domains and systems.
pub(super) const COMMON: [Figure; 43] = [
    Figure::MaxCapacityInKb,
    Figure::CapacityLimitInKb,
    Figure::CapacityInUseInKb,
    Figure::SpareCapacityInKb,
    Figure::UnusedCapacityInKb,
    Figure::UnreachableUnusedCapacityInKb,
    Figure::ThickCapacityInUseInKb,
    Figure::ThinCapacityInUseInKb,
    Figure::ThinCapacityAllocatedInKb,
    Figure::SnapCapacityInUseInKb,
    Figure::SnapCapacityInUseOccupiedInKb,
    Figure::ProtectedCapacityInKb,
    Figure::SemiProtectedCapacityInKb,
    Figure::DegradedHealthyCapacityInKb,
    Figure::DegradedFailedCapacityInKb,
    Figure::FailedCapacityInKb,
    Figure::AtRestCapacityInKb,
    Figure::MovingCapacityInKb,
    Figure::InMaintenanceCapacityInKb,
    Figure::CapacityAvailableForVolumeAllocationInKb,
    Figure::ActiveMovingCapacityInKb,
    Figure::PendingMovingCapacityInKb,
    Figure::FwdRebuildCapacityInKb,
    Figure::ActiveFwdRebuildCapacityInKb,
    Figure::PendingFwdRebuildCapacityInKb,
    Figure::BckRebuildCapacityInKb,
    Figure::ActiveBckRebuildCapacityInKb,
    Figure::PendingBckRebuildCapacityInKb,
    Figure::NormRebuildCapacityInKb,
    Figure::ActiveNormRebuildCapacityInKb,
    Figure::PendingNormRebuildCapacityInKb,
    Figure::RebalanceCapacityInKb,
    Figure::ActiveRebalanceCapacityInKb,
    Figure::PendingRebalanceCapacityInKb,
    Figure::NumOfVolumes,
    Figure::NumOfSnapshots,
    Figure::NumOfDevices,
    Figure::NumOfVtrees,
    Figure::NumOfThickBaseVolumes,
    Figure::NumOfThinBaseVolumes,
    Figure::NumOfUnmappedVolumes,
    Figure::NumOfMappedToAllVolumes,
    Figure::NumOfVolumesInDeletion,
];

/// Further ones of pools.
pub(super) const POOL: [Figure; 26] = [
    Figure::VolumeAllocationLimitInKb,
    Figure::ProtectedVacInKb,
    Figure::SemiProtectedVacInKb,
    Figure::DegradedHealthyVacInKb,
    Figure::DegradedFailedVacInKb,
    Figure::FailedVacInKb,
    Figure::InUseVacInKb,
    Figure::PrimaryVacInKb,
    Figure::SecondaryVacInKb,
    Figure::InMaintenanceVacInKb,
    Figure::ActiveMovingInFwdRebuildJobs,
    Figure::ActiveMovingInBckRebuildJobs,
    Figure::ActiveMovingInNormRebuildJobs,
    Figure::ActiveMovingInRebalanceJobs,
    Figure::ActiveMovingOutFwdRebuildJobs,
    Figure::ActiveMovingOutBckRebuildJobs,
    Figure::ActiveMovingOutNormRebuildJobs,
    Figure::ActiveMovingRebalanceJobs,
    Figure::PendingMovingInFwdRebuildJobs,
    Figure::PendingMovingInBckRebuildJobs,
    Figure::PendingMovingInNormRebuildJobs,
    Figure::PendingMovingInRebalanceJobs,
    Figure::PendingMovingOutFwdRebuildJobs,
    Figure::PendingMovingOutBckRebuildJobs,
    Figure::PendingMovingOutNormrebuildJobs,
    Figure::PendingMovingRebalanceJobs,
];

/// Further ones of systems.
pub(super) const SYSTEM: [Figure; 4] = [
    Figure::NumOfProtectionDomains,
    Figure::NumOfStoragePools,
    Figure::NumOfSds,
    Figure::NumOfSdc,
];

/// Further ones of pools, from 3.0 on.
pub(super) const POOL_SINCE_3: [Figure; 3] = [
    Figure::NetUserDataCapacityInKb,
    Figure::NetUnusedCapacityInKb,
    Figure::CompressionRatio,
];

/// Further ones of systems, from 3.0 on.
pub(super) const SYSTEM_SINCE_3: [Figure; 4] = [
    Figure::NetCapacityInUseInKb,
    Figure::NetUnusedCapacityInKb,
    Figure::NetProvisionedAddressesInKb,
    Figure::CompressionRatio,
];

/// Those of pools of the second generation, which are asked in another way.
pub(super) const ERASURE_CODED: [Figure; 21] = [
    Figure::PhysicalTotal,
    Figure::PhysicalUsed,
    Figure::PhysicalFree,
    Figure::PhysicalSystem,
    Figure::RawUsed,
    Figure::LogicalUsed,
    Figure::LogicalProvisioned,
    Figure::LogicalOwned,
    Figure::OverProvisioningLimit,
    Figure::UtilizationRatio,
    Figure::DataReductionRatio,
    Figure::ThinProvisioningRatio,
    Figure::HostReadIops,
    Figure::HostWriteIops,
    Figure::HostTrimIops,
    Figure::HostReadBandwidth,
    Figure::HostWriteBandwidth,
    Figure::HostTrimBandwidth,
    Figure::AvgHostReadLatency,
    Figure::AvgHostWriteLatency,
    Figure::AvgHostTrimLatency,
];

/// Windows of pools, protection domains and systems.
pub(super) const WINDOWS: [Window; 20] = [
    Window::UserDataReadBwc,
    Window::UserDataWriteBwc,
    Window::TotalReadBwc,
    Window::TotalWriteBwc,
    Window::PrimaryReadBwc,
    Window::PrimaryWriteBwc,
    Window::SecondaryReadBwc,
    Window::SecondaryWriteBwc,
    Window::FwdRebuildReadBwc,
    Window::FwdRebuildWriteBwc,
    Window::BckRebuildReadBwc,
    Window::BckRebuildWriteBwc,
    Window::NormRebuildReadBwc,
    Window::NormRebuildWriteBwc,
    Window::RebalanceReadBwc,
    Window::RebalanceWriteBwc,
    Window::PrimaryReadFromDevBwc,
    Window::PrimaryReadFromRmcacheBwc,
    Window::SecondaryReadFromDevBwc,
    Window::SecondaryReadFromRmcacheBwc,
];

/// Further ones of pools and systems, from 3.0 on.
pub(super) const WINDOWS_SINCE_3: [Window; 4] = [
    Window::VolMigrationReadBwc,
    Window::VolMigrationWriteBwc,
    Window::UserDataSdcReadLatency,
    Window::UserDataSdcWriteLatency,
];
