//! PowerFlex systems (once ScaleIO and VxFlex OS) as their gateways tell of them.
//!
//! Figures bear PowerFlex's own names, misspellings included, and are in its units: `…InKb` is KiB, latencies of pools of the
//! second generation are microseconds.

use std::time::SystemTime;

use super::fault::Fault;

/// Names that PowerFlex has for figures or windows, as an enumeration.
macro_rules! named {
    ($(#[$meta:meta])* $name:ident { $($variant:ident = $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $(#[doc = concat!("`", $text, "`.")] $variant,)*
        }

        impl $name {
            /// All of them.
            pub const ALL: [Self; [$($text),*].len()] = [$(Self::$variant),*];

            /// PowerFlex's name.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }

            /// The one of that name.
            pub fn of_name(name: &str) -> Option<Self> {
                match name {
                    $($text => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

named! {
    /// A figure of a pool, a protection domain or a system.
    Figure {
        MaxCapacityInKb = "maxCapacityInKb",
        CapacityLimitInKb = "capacityLimitInKb",
        CapacityInUseInKb = "capacityInUseInKb",
        SpareCapacityInKb = "spareCapacityInKb",
        UnusedCapacityInKb = "unusedCapacityInKb",
        UnreachableUnusedCapacityInKb = "unreachableUnusedCapacityInKb",
        ThickCapacityInUseInKb = "thickCapacityInUseInKb",
        ThinCapacityInUseInKb = "thinCapacityInUseInKb",
        ThinCapacityAllocatedInKb = "thinCapacityAllocatedInKb",
        SnapCapacityInUseInKb = "snapCapacityInUseInKb",
        SnapCapacityInUseOccupiedInKb = "snapCapacityInUseOccupiedInKb",
        ProtectedCapacityInKb = "protectedCapacityInKb",
        SemiProtectedCapacityInKb = "semiProtectedCapacityInKb",
        DegradedHealthyCapacityInKb = "degradedHealthyCapacityInKb",
        DegradedFailedCapacityInKb = "degradedFailedCapacityInKb",
        FailedCapacityInKb = "failedCapacityInKb",
        AtRestCapacityInKb = "atRestCapacityInKb",
        MovingCapacityInKb = "movingCapacityInKb",
        InMaintenanceCapacityInKb = "inMaintenanceCapacityInKb",
        CapacityAvailableForVolumeAllocationInKb = "capacityAvailableForVolumeAllocationInKb",
        ActiveMovingCapacityInKb = "activeMovingCapacityInKb",
        PendingMovingCapacityInKb = "pendingMovingCapacityInKb",
        FwdRebuildCapacityInKb = "fwdRebuildCapacityInKb",
        ActiveFwdRebuildCapacityInKb = "activeFwdRebuildCapacityInKb",
        PendingFwdRebuildCapacityInKb = "pendingFwdRebuildCapacityInKb",
        BckRebuildCapacityInKb = "bckRebuildCapacityInKb",
        ActiveBckRebuildCapacityInKb = "activeBckRebuildCapacityInKb",
        PendingBckRebuildCapacityInKb = "pendingBckRebuildCapacityInKb",
        NormRebuildCapacityInKb = "normRebuildCapacityInKb",
        ActiveNormRebuildCapacityInKb = "activeNormRebuildCapacityInKb",
        PendingNormRebuildCapacityInKb = "pendingNormRebuildCapacityInKb",
        RebalanceCapacityInKb = "rebalanceCapacityInKb",
        ActiveRebalanceCapacityInKb = "activeRebalanceCapacityInKb",
        PendingRebalanceCapacityInKb = "pendingRebalanceCapacityInKb",
        NumOfVolumes = "numOfVolumes",
        NumOfSnapshots = "numOfSnapshots",
        NumOfDevices = "numOfDevices",
        NumOfVtrees = "numOfVtrees",
        NumOfThickBaseVolumes = "numOfThickBaseVolumes",
        NumOfThinBaseVolumes = "numOfThinBaseVolumes",
        NumOfUnmappedVolumes = "numOfUnmappedVolumes",
        NumOfMappedToAllVolumes = "numOfMappedToAllVolumes",
        NumOfVolumesInDeletion = "numOfVolumesInDeletion",
        VolumeAllocationLimitInKb = "volumeAllocationLimitInKb",
        ProtectedVacInKb = "protectedVacInKb",
        SemiProtectedVacInKb = "semiProtectedVacInKb",
        DegradedHealthyVacInKb = "degradedHealthyVacInKb",
        DegradedFailedVacInKb = "degradedFailedVacInKb",
        FailedVacInKb = "failedVacInKb",
        InUseVacInKb = "inUseVacInKb",
        PrimaryVacInKb = "primaryVacInKb",
        SecondaryVacInKb = "secondaryVacInKb",
        InMaintenanceVacInKb = "inMaintenanceVacInKb",
        ActiveMovingInFwdRebuildJobs = "activeMovingInFwdRebuildJobs",
        ActiveMovingInBckRebuildJobs = "activeMovingInBckRebuildJobs",
        ActiveMovingInNormRebuildJobs = "activeMovingInNormRebuildJobs",
        ActiveMovingInRebalanceJobs = "activeMovingInRebalanceJobs",
        ActiveMovingOutFwdRebuildJobs = "activeMovingOutFwdRebuildJobs",
        ActiveMovingOutBckRebuildJobs = "activeMovingOutBckRebuildJobs",
        ActiveMovingOutNormRebuildJobs = "activeMovingOutNormRebuildJobs",
        ActiveMovingRebalanceJobs = "activeMovingRebalanceJobs",
        PendingMovingInFwdRebuildJobs = "pendingMovingInFwdRebuildJobs",
        PendingMovingInBckRebuildJobs = "pendingMovingInBckRebuildJobs",
        PendingMovingInNormRebuildJobs = "pendingMovingInNormRebuildJobs",
        PendingMovingInRebalanceJobs = "pendingMovingInRebalanceJobs",
        PendingMovingOutFwdRebuildJobs = "pendingMovingOutFwdRebuildJobs",
        PendingMovingOutBckRebuildJobs = "pendingMovingOutBckRebuildJobs",
        PendingMovingOutNormrebuildJobs = "pendingMovingOutNormrebuildJobs",
        PendingMovingRebalanceJobs = "pendingMovingRebalanceJobs",
        NumOfProtectionDomains = "numOfProtectionDomains",
        NumOfStoragePools = "numOfStoragePools",
        NumOfSds = "numOfSds",
        NumOfSdc = "numOfSdc",
        NetUserDataCapacityInKb = "netUserDataCapacityInKb",
        NetUnusedCapacityInKb = "netUnusedCapacityInKb",
        CompressionRatio = "compressionRatio",
        NetCapacityInUseInKb = "netCapacityInUseInKb",
        NetProvisionedAddressesInKb = "netProvisionedAddressesInKb",
        PhysicalTotal = "physical_total",
        PhysicalUsed = "physical_used",
        PhysicalFree = "physical_free",
        PhysicalSystem = "physical_system",
        RawUsed = "raw_used",
        LogicalUsed = "logical_used",
        LogicalProvisioned = "logical_provisioned",
        LogicalOwned = "logical_owned",
        OverProvisioningLimit = "over_provisioning_limit",
        UtilizationRatio = "utilization_ratio",
        DataReductionRatio = "data_reduction_ratio",
        ThinProvisioningRatio = "thin_provisioning_ratio",
        HostReadIops = "host_read_iops",
        HostWriteIops = "host_write_iops",
        HostTrimIops = "host_trim_iops",
        HostReadBandwidth = "host_read_bandwidth",
        HostWriteBandwidth = "host_write_bandwidth",
        HostTrimBandwidth = "host_trim_bandwidth",
        AvgHostReadLatency = "avg_host_read_latency",
        AvgHostWriteLatency = "avg_host_write_latency",
        AvgHostTrimLatency = "avg_host_trim_latency",
    }
}

named! {
    /// What the array counts over a window of time: requests and their bytes, or requests and the time they took.
    Window {
        UserDataReadBwc = "userDataReadBwc",
        UserDataWriteBwc = "userDataWriteBwc",
        TotalReadBwc = "totalReadBwc",
        TotalWriteBwc = "totalWriteBwc",
        PrimaryReadBwc = "primaryReadBwc",
        PrimaryWriteBwc = "primaryWriteBwc",
        SecondaryReadBwc = "secondaryReadBwc",
        SecondaryWriteBwc = "secondaryWriteBwc",
        FwdRebuildReadBwc = "fwdRebuildReadBwc",
        FwdRebuildWriteBwc = "fwdRebuildWriteBwc",
        BckRebuildReadBwc = "bckRebuildReadBwc",
        BckRebuildWriteBwc = "bckRebuildWriteBwc",
        NormRebuildReadBwc = "normRebuildReadBwc",
        NormRebuildWriteBwc = "normRebuildWriteBwc",
        RebalanceReadBwc = "rebalanceReadBwc",
        RebalanceWriteBwc = "rebalanceWriteBwc",
        VolMigrationReadBwc = "volMigrationReadBwc",
        VolMigrationWriteBwc = "volMigrationWriteBwc",
        PrimaryReadFromDevBwc = "primaryReadFromDevBwc",
        PrimaryReadFromRmcacheBwc = "primaryReadFromRmcacheBwc",
        SecondaryReadFromDevBwc = "secondaryReadFromDevBwc",
        SecondaryReadFromRmcacheBwc = "secondaryReadFromRmcacheBwc",
        UserDataSdcReadLatency = "userDataSdcReadLatency",
        UserDataSdcWriteLatency = "userDataSdcWriteLatency",
    }
}

/// What was counted over one window.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Counted {
    /// How long the window was, in seconds; 0 where it is empty, and then nothing else says anything.
    pub seconds: f64,
    /// Sum over all requests: KiB; for latencies microseconds.
    pub weight: f64,
    /// Requests.
    pub occurrences: f64,
}

impl Counted {
    /// Requests a second; `None` for an empty window.
    pub fn per_second(self) -> Option<f64> {
        quotient(self.occurrences, self.seconds)
    }

    /// Bytes a second; `None` for an empty window.
    pub fn bytes_per_second(self) -> Option<f64> {
        quotient(self.weight * 1024.0, self.seconds)
    }

    /// Seconds that a request took on average, where this is a latency; `None` where there was none.
    pub fn mean_seconds(self) -> Option<f64> {
        let microseconds = quotient(self.weight, self.occurrences).filter(|_| self.seconds > 0.0)?;
        Some(microseconds / 1e6)
    }
}

/// `None` where there is nothing to divide by, or so little that no figure comes of it.
fn quotient(sum: f64, number: f64) -> Option<f64> {
    (number > 0.0)
        .then(|| sum / number)
        .filter(|quotient| quotient.is_finite())
}

/// True of what can be counted.
fn is_amount(value: f64) -> bool {
    value.is_finite() && value >= 0.0
}

/// Figures and windows. What the gateway did not tell is not there.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Statistics {
    figures: Vec<(Figure, f64)>,
    windows: Vec<(Window, Counted)>,
}

impl Statistics {
    /// A figure in PowerFlex's unit.
    pub fn figure(&self, figure: Figure) -> Option<f64> {
        let at = self.figures.binary_search_by_key(&figure, |(known, _)| *known);
        Some(self.figures[at.ok()?].1)
    }

    /// A capacity in bytes, of a figure in KiB.
    pub fn bytes(&self, figure: Figure) -> Option<f64> {
        Some(self.figure(figure)? * 1024.0).filter(|bytes| bytes.is_finite())
    }

    /// What was counted over a window.
    pub fn window(&self, window: Window) -> Option<Counted> {
        let at = self.windows.binary_search_by_key(&window, |(known, _)| *known);
        Some(self.windows[at.ok()?].1)
    }

    /// Takes in a figure. One that is no number, or negative, is not known.
    pub fn add(&mut self, figure: Figure, value: f64) {
        if is_amount(value) {
            match self.figures.binary_search_by_key(&figure, |(known, _)| *known) {
                Ok(at) => self.figures[at].1 = value,
                Err(at) => self.figures.insert(at, (figure, value)),
            }
        }
    }

    /// Takes in a window. One that has anything in it that is no number, or negative, is not known.
    pub fn add_window(&mut self, window: Window, counted: Counted) {
        if ![counted.seconds, counted.weight, counted.occurrences]
            .into_iter()
            .all(is_amount)
        {
            return;
        }
        match self.windows.binary_search_by_key(&window, |(known, _)| *known) {
            Ok(at) => self.windows[at].1 = counted,
            Err(at) => self.windows.insert(at, (window, counted)),
        }
    }

    /// True where nothing is known.
    pub fn is_empty(&self) -> bool {
        self.figures.is_empty() && self.windows.is_empty()
    }
}

/// How a pool keeps its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Generation {
    /// Two copies of everything.
    #[default]
    Mirrored,
    /// Erasure coding, from PowerFlex 5.0 on (Gen2): other figures, in bytes, microseconds and per second.
    ErasureCoded,
}

/// A storage pool.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Pool {
    /// PowerFlex's id.
    pub id: String,
    /// Its name; its id where it has none.
    pub name: String,
    /// The id of its protection domain.
    pub domain_id: String,
    /// The name of its protection domain; the id where that has none.
    pub domain: String,
    /// `SSD`, `HDD`, `Transitional`.
    pub media_type: Option<String>,
    /// `MediumGranularity`, `FineGranularity`, `ErasureCoding`.
    pub data_layout: Option<String>,
    /// How it keeps its data.
    pub generation: Generation,
    /// Share of the raw capacity that is kept free for rebuilds, 0 to 1.
    pub spare: Option<f64>,
    /// Share of the capacity at which the array warns, 0 to 1.
    pub high_threshold: Option<f64>,
    /// Share of the capacity at which the array raises a critical alert, 0 to 1.
    pub critical_threshold: Option<f64>,
    /// Whether it rebuilds what it lost.
    pub rebuilds: Option<bool>,
    /// Whether it spreads its data evenly.
    pub rebalances: Option<bool>,
    /// What the array thinks of its use: `Normal`, `High`, `Critical`.
    pub capacity_state: Option<String>,
    /// Its figures.
    pub statistics: Statistics,
    /// The ids of its volumes.
    pub volumes: Vec<String>,
}

/// The storage pool that a PersistentVolume lies in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumePlace {
    /// The PersistentVolume.
    pub persistent_volume: String,
    /// The system, as the configuration calls it.
    pub system: String,
    /// The protection domain's name.
    pub domain: String,
    /// The pool's name.
    pub pool: String,
    /// The pool's id.
    pub pool_id: String,
}

/// A protection domain: a group of servers that mirror each other.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Domain {
    /// PowerFlex's id.
    pub id: String,
    /// Its name; its id where it has none.
    pub name: String,
    /// Its figures.
    pub statistics: Statistics,
}

/// One reading of one system.
#[derive(Debug, Clone, PartialEq)]
pub struct System {
    /// The name that the configuration gives it.
    pub name: String,
    /// PowerFlex's id.
    pub id: String,
    /// The name that it has itself.
    pub own_name: Option<String>,
    /// The version of its gateway: `3.6`.
    pub version: Option<String>,
    /// What it says of its release: `DellEMC PowerFlex Version: R3_6.0.0`.
    pub release: Option<String>,
    /// How its metadata managers fare: `ClusteredNormal`, `ClusteredDegraded`, …
    pub cluster_state: Option<String>,
    /// Share of the capacity at which the array warns, 0 to 1.
    pub high_threshold: Option<f64>,
    /// Share of the capacity at which the array raises a critical alert, 0 to 1.
    pub critical_threshold: Option<f64>,
    /// Its figures.
    pub statistics: Statistics,
    /// Its protection domains.
    pub domains: Vec<Domain>,
    /// Its storage pools.
    pub pools: Vec<Pool>,
    /// What of its answers could not be understood.
    pub faults: Vec<Fault>,
    /// When it was read.
    pub taken_at: SystemTime,
}

impl System {
    /// One that nothing is known of.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            id: String::new(),
            own_name: None,
            version: None,
            release: None,
            cluster_state: None,
            high_threshold: None,
            critical_threshold: None,
            statistics: Statistics::default(),
            domains: Vec::new(),
            pools: Vec::new(),
            faults: Vec::new(),
            taken_at: SystemTime::UNIX_EPOCH,
        }
    }
}

impl Pool {
    /// Share of what may be filled that is filled, 0 to 1: of mirrored pools what lies on the devices, of all that is neither spare
    /// nor beyond the limit. The array's thresholds are shares of the same.
    pub fn used(&self) -> Option<f64> {
        match self.generation {
            Generation::ErasureCoded => self.statistics.figure(Figure::UtilizationRatio),
            Generation::Mirrored => {
                let limit = self
                    .statistics
                    .figure(Figure::CapacityLimitInKb)
                    .or_else(|| self.statistics.figure(Figure::MaxCapacityInKb))?;
                let fillable = limit - self.statistics.figure(Figure::SpareCapacityInKb)?;
                let used = self.statistics.figure(Figure::CapacityInUseInKb)?;
                (fillable > 0.0).then(|| used / fillable)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_window_says_nothing() {
        let empty = Counted::default();
        assert_eq!(
            (empty.per_second(), empty.bytes_per_second(), empty.mean_seconds()),
            (None, None, None)
        );
        let window = Counted {
            seconds: 5.0,
            weight: 2000.0,
            occurrences: 500.0,
        };
        assert_eq!(window.per_second(), Some(100.0));
        assert_eq!(window.bytes_per_second(), Some(409_600.0));
        assert_eq!(window.mean_seconds(), Some(0.000_004));
        let idle = Counted {
            seconds: 5.0,
            ..Counted::default()
        };
        assert_eq!((idle.per_second(), idle.mean_seconds()), (Some(0.0), None));
    }

    #[test]
    fn a_window_that_nobody_can_have_counted_is_not_known() {
        let window = |seconds, weight, occurrences| {
            let mut statistics = Statistics::default();
            let counted = Counted {
                seconds,
                weight,
                occurrences,
            };
            statistics.add_window(Window::UserDataReadBwc, counted);
            statistics.window(Window::UserDataReadBwc)
        };
        assert!(window(5.0, 1.0, 1.0).is_some());
        for (seconds, weight, occurrences) in [
            (5.0, 1.0, -5.0),
            (5.0, -1.0, 5.0),
            (-5.0, 1.0, 5.0),
            (f64::INFINITY, 1.0, 5.0),
            (5.0, f64::NAN, 5.0),
        ] {
            assert_eq!(window(seconds, weight, occurrences), None);
        }
        let next_to_nothing = window(1e-308, 1e9, 1e9).unwrap();
        assert_eq!(
            (next_to_nothing.per_second(), next_to_nothing.bytes_per_second()),
            (None, None)
        );
    }

    #[test]
    fn figures_are_found_by_their_names() {
        for figure in Figure::ALL {
            assert_eq!(Figure::of_name(figure.name()), Some(figure));
        }
        let mut statistics = Statistics::default();
        for figure in Figure::ALL.into_iter().rev() {
            statistics.add(figure, f64::from(figure as u8));
        }
        statistics.add(Figure::NumOfVolumes, -1.0);
        for figure in Figure::ALL {
            assert_eq!(statistics.figure(figure), Some(f64::from(figure as u8)));
        }
    }

    #[test]
    fn how_full_a_pool_is() {
        let mut pool = Pool::default();
        assert_eq!(pool.used(), None);
        for (figure, kibibytes) in [
            (Figure::MaxCapacityInKb, 1000.0),
            (Figure::SpareCapacityInKb, 200.0),
            (Figure::CapacityInUseInKb, 400.0),
        ] {
            pool.statistics.add(figure, kibibytes);
        }
        assert_eq!(pool.used(), Some(0.5));
        pool.statistics.add(Figure::CapacityLimitInKb, 200.0);
        assert_eq!(pool.used(), None, "nothing may be filled");
    }
}
