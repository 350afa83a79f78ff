//! Given these devices, this is what a volume loses with a disk.

use super::*;
use crate::model::raid::RaidMember;

const SDA: DeviceNumber = DeviceNumber::new(8, 0);
const SDB: DeviceNumber = DeviceNumber::new(8, 16);
const UPPER: DeviceNumber = DeviceNumber::new(9, 0);

const SDC: DeviceNumber = DeviceNumber::new(8, 32);

fn disks() -> [BlockDevice; 3] {
    [(SDA, "sda"), (SDB, "sdb"), (SDC, "sdc")]
        .map(|(number, name)| BlockDevice::over(number, name, "disk", &[]))
}

/// What a volume on an array of so many missing members loses with `sda`. The states are those of `sda`, `sdb` and `sdc`, as far as they
/// are members.
fn loss_of(level: &str, missing: Option<u64>, states: &[&str]) -> Loss {
    let named = disks();
    let members = named.iter().zip(states);
    let mut array = BlockDevice::over(UPPER, "md0", level, &[SDA, SDB, SDC][..states.len()]);
    array.missing_members = missing;
    array.raid_members = Some(
        members
            .map(|(disk, state)| RaidMember {
                name: disk.name.clone(),
                role: RaidRole::of_state(state),
            })
            .collect(),
    );
    loss_on(array)
}

fn loss_on(upper: BlockDevice) -> Loss {
    let devices = BlockDevices::new(disks().into_iter().chain([upper]));
    loss(&devices, &Volume::on(&devices, UPPER), SDA)
}

const GOOD: &str = "in_sync";

#[test]
fn a_mirror_survives_one_disk_and_a_stripe_does_not() {
    assert_eq!(loss_of("raid1", Some(0), &[GOOD, GOOD]), Loss::Degraded);
    for level in ["raid0", "linear", "lvm"] {
        let stripe = BlockDevice::over(UPPER, "md0", level, &[SDA, SDB]);
        assert_eq!(loss_on(stripe), Loss::Lost, "{level}");
    }
}

#[test]
fn a_degraded_array_does_not_survive_the_loss_of_what_it_cannot_do_without() {
    assert_eq!(loss_of("raid1", Some(1), &[GOOD]), Loss::Lost);
    assert_eq!(loss_of("raid5", Some(1), &[GOOD, GOOD]), Loss::Lost);
    assert_eq!(loss_of("raid6", Some(1), &[GOOD, GOOD, GOOD]), Loss::Degraded);
    assert_eq!(loss_of("raid10", Some(1), &[GOOD, GOOD, GOOD]), Loss::Unknown);
}

#[test]
fn a_member_that_has_failed_or_is_being_filled_carries_nothing() {
    for idle in ["faulty", "spare", "spare,write_mostly"] {
        assert_eq!(loss_of("raid1", Some(1), &[GOOD, idle]), Loss::Lost, "{idle}");
        assert_eq!(
            loss_of("raid1", Some(1), &[idle, GOOD]),
            Loss::Untouched,
            "{idle}"
        );
        assert_eq!(
            loss_of("raid5", Some(1), &[idle, GOOD, GOOD]),
            Loss::Untouched,
            "{idle}"
        );
        assert_eq!(
            loss_of("raid1", Some(0), &[GOOD, GOOD, idle]),
            Loss::Degraded,
            "{idle}"
        );
    }
    assert_eq!(loss_of("raid5", Some(0), &["journal", GOOD, GOOD]), Loss::Unknown);
}

#[test]
fn of_an_array_whose_members_say_nothing_only_a_whole_one_is_known_to_survive() {
    let array = |level: &str, missing, members: &[DeviceNumber]| {
        let mut array = BlockDevice::over(UPPER, "md0", level, members);
        array.missing_members = missing;
        loss_on(array)
    };
    assert_eq!(array("raid1", Some(0), &[SDA, SDB]), Loss::Degraded);
    assert_eq!(array("raid1", Some(1), &[SDA, SDB]), Loss::Unknown);
    assert_eq!(array("raid5", None, &[SDA, SDB]), Loss::Unknown);
    assert_eq!(array("raid1", Some(1), &[SDA]), Loss::Lost);
}

#[test]
fn what_lies_elsewhere_is_untouched() {
    let array = BlockDevice::over(UPPER, "md0", "raid1", &[SDB]);
    assert_eq!(loss_on(array), Loss::Untouched);
}

/// A filesystem on two devices, each of which lies on some of the disks.
fn loss_of_two(lower: [(&str, &[DeviceNumber]); 2]) -> Loss {
    let number = |at| DeviceNumber::new(9, at);
    let upper = (1..).zip(lower).map(|(at, (level, parents))| {
        let mut device = BlockDevice::over(number(at), &format!("md{at}"), level, parents);
        device.missing_members = (level == "raid1").then_some(0);
        device
    });
    let devices = BlockDevices::new(disks().into_iter().chain(upper));
    let mut volume = Volume::on(&devices, number(1));
    volume.placement.devices = vec![number(1), number(2)];
    loss(&devices, &volume, SDA)
}

#[test]
fn a_filesystem_on_several_devices_is_lost_with_all_of_them_and_survives_where_they_do() {
    assert_eq!(loss_of_two([("part", &[SDA]), ("part", &[SDA])]), Loss::Lost);
    assert_eq!(loss_of_two([("part", &[SDA]), ("part", &[SDB])]), Loss::Unknown);
    let mirrors: [(&str, &[DeviceNumber]); 2] = [("raid1", &[SDA, SDB]), ("raid1", &[SDA, SDC])];
    assert_eq!(loss_of_two(mirrors), Loss::Degraded);
}

#[test]
fn a_file_survives_with_the_devices_that_it_lies_on() {
    let loop_device = DeviceNumber::new(7, 0);
    for (level, expected) in [("raid1", Loss::Degraded), ("raid0", Loss::Lost)] {
        let mut array = BlockDevice::over(UPPER, "md0", level, &[SDA, SDB]);
        array.missing_members = Some(0);
        let file = BlockDevice::over(loop_device, "loop0", "loop", &[]);
        let devices = BlockDevices::new(disks().into_iter().chain([array, file]));
        let mut volume = Volume::on(&devices, loop_device);
        volume.placement.disks = vec![SDA, SDB];
        assert_eq!(loss(&devices, &volume, SDA), Loss::Unknown, "which file?");
        volume.placement.files.insert(loop_device, vec![UPPER]);
        assert_eq!(loss(&devices, &volume, SDA), expected, "{level}");
    }
}

#[test]
fn what_hangs_on_more_than_the_graph_shows_is_not_guessed() {
    for (name, kind) in [("bcache0", "disk"), ("dm-0", "dmraid")] {
        assert_eq!(
            loss_on(BlockDevice::over(UPPER, name, kind, &[SDA, SDB])),
            Loss::Unknown,
            "{name}"
        );
        assert_eq!(
            loss_on(BlockDevice::over(UPPER, name, kind, &[SDA])),
            Loss::Lost,
            "{name}"
        );
    }
}

#[test]
fn a_lattice_of_devices_is_walked_once() {
    let number = |layer: u32, side: u32| DeviceNumber::new(253, layer * 2 + side);
    let both = |layer: u32| [number(layer, 0), number(layer, 1)];
    let layers = (1..60_u32).flat_map(|layer| {
        [0, 1].map(|side| {
            BlockDevice::over(
                number(layer, side),
                &format!("dm-{layer}-{side}"),
                "lvm",
                &both(layer - 1),
            )
        })
    });
    let ground =
        [0, 1].map(|side| BlockDevice::over(number(0, side), &format!("dm-0-{side}"), "lvm", &[SDA]));
    let devices = BlockDevices::new(disks().into_iter().chain(ground).chain(layers));
    assert_eq!(
        loss(&devices, &Volume::on(&devices, number(59, 0)), SDA),
        Loss::Lost
    );
}

#[test]
fn lvms_own_mirrors_are_not_guessed() {
    let image =
        |minor, name: &str, disk| BlockDevice::over(DeviceNumber::new(253, minor), name, "lvm", &[disk]);
    let devices = BlockDevices::new([
        BlockDevice::over(SDA, "sda", "disk", &[]),
        BlockDevice::over(SDB, "sdb", "disk", &[]),
        image(1, "vg-data_rimage_0", SDA),
        image(2, "vg-data_rimage_1", SDB),
        BlockDevice::over(
            UPPER,
            "vg-data",
            "lvm",
            &[DeviceNumber::new(253, 1), DeviceNumber::new(253, 2)],
        ),
    ]);
    assert_eq!(loss(&devices, &Volume::on(&devices, UPPER), SDA), Loss::Unknown);
}

#[test]
fn what_drbd_serves_its_peers_may_have_as_well() {
    let on_drbd = |kind: &str, below: &[DeviceNumber]| {
        let drbd = DeviceNumber::new(147, 1000);
        let lower = BlockDevice::over(UPPER, "md0", kind, below);
        let devices = BlockDevices::new(disks().into_iter().chain([
            BlockDevice {
                missing_members: (kind == "raid1").then_some(0),
                ..lower
            },
            BlockDevice::over(drbd, "drbd1000", "disk", &[UPPER]),
        ]));
        loss(&devices, &Volume::on(&devices, drbd), SDA)
    };
    assert_eq!(on_drbd("lvm", &[SDA]), Loss::Unknown);
    assert_eq!(on_drbd("raid1", &[SDA, SDB]), Loss::Degraded);
    assert_eq!(on_drbd("lvm", &[SDB]), Loss::Untouched);
}

/// A logical volume over what is cached and the cache, each of which lies on some of the disks; with `sda` it loses this.
fn loss_of_cached(origin: (&str, &[DeviceNumber]), cache: (&str, &[DeviceNumber])) -> Loss {
    let number = |minor| DeviceNumber::new(253, minor);
    let part =
        |minor, (name, disks): (&str, &[DeviceNumber])| BlockDevice::over(number(minor), name, "lvm", disks);
    let devices = BlockDevices::new(disks().into_iter().chain([
        part(1, origin),
        part(2, cache),
        BlockDevice::over(number(0), "vg-data", "lvm", &[number(1), number(2)]),
    ]));
    loss(&devices, &Volume::on(&devices, number(0)), SDA)
}

#[test]
fn what_lvm_caches_is_lost_with_its_own_disk_and_may_survive_its_cache() {
    let caches = [
        ("vg-data_corig", "vg-fast_cvol-cdata"),
        ("vg-data_corig", "vg-fast_cpool_cdata"),
        ("vg-data_wcorig", "vg-fast_cvol"),
    ];
    for (origin, cache) in caches {
        let of = |on, cache_on| loss_of_cached((origin, on), (cache, cache_on));
        assert_eq!(of(&[SDA], &[SDB]), Loss::Lost, "{origin}");
        assert_eq!(of(&[SDA], &[SDA]), Loss::Lost, "{origin}");
        assert_eq!(of(&[SDB], &[SDA]), Loss::Unknown, "{cache}");
        assert_eq!(of(&[SDB], &[SDC]), Loss::Untouched, "{cache}");
    }
    let plain = loss_of_cached(("vg-one", &[SDB]), ("vg-other", &[SDA]));
    assert_eq!(plain, Loss::Lost);
}
