//! Machines of any size, made up: half NVMe, half SATA, each disk with one partition, a filesystem on it, and a record in
//! udev's database, as on a storage server.

use std::fmt::Write as _;

use super::fixture::Machine;

/// A machine with so many disks.
pub fn machine(disks: usize) -> Machine {
    let machine = Machine::new();
    let (mut diskstats, mut partitions) = (String::new(), "major minor  #blocks  name\n\n".to_owned());
    let mut mountinfo = "20 1 0:20 / / rw - overlay overlay rw\n".to_owned();
    for at in 0..disks {
        let disk = if at % 2 == 0 {
            nvme(&machine, at / 2)
        } else {
            sata(&machine, at / 2)
        };
        let partition = format!(
            "{}{}1",
            disk.name,
            if disk.name.starts_with("nvme") { "p" } else { "" }
        );
        let (major, minor) = disk.number;
        for (minor, name, sectors) in [
            (minor, &disk.name, SECTORS),
            (minor + 1, &partition, SECTORS - 4096),
        ] {
            let _ = writeln!(
                diskstats,
                "{major:4} {minor:7} {name} {} 11 {} 4012 {} 77 {} 9034 0 8021 13046 17 0 4096 12 34 56",
                1000 + at,
                (1000 + at) * 8,
                2000 + at,
                (2000 + at) * 16,
            );
            let _ = writeln!(partitions, "{major:4} {minor:8} {:10} {name}", sectors / 2);
        }
        let _ = writeln!(
            mountinfo,
            "{} 20 {major}:{} / /data/{at} rw,relatime shared:{at} - xfs /dev/{partition} rw,attr2",
            100 + at,
            minor + 1
        );
        let below = format!("{}/{partition}", disk.folder);
        for (file, content) in [
            ("size", (SECTORS - 4096).to_string()),
            ("ro", "0".into()),
            ("partition", "1".into()),
            ("start", "2048".into()),
            ("dev", format!("{major}:{}", minor + 1)),
        ] {
            machine.write(format!("{below}/{file}"), format!("{content}\n"));
        }
        machine.link(
            format!("/sys/class/block/{partition}"),
            format!("../..{}", below.trim_start_matches("/sys")),
        );
        machine.write(
            format!("/run/udev/data/b{major}:{}", minor + 1),
            format!("S:disk/by-uuid/u-{at}\nE:ID_SERIAL_SHORT=S{at:06}\nE:ID_FS_TYPE=xfs\nE:ID_FS_UUID=u-{at}\nE:ID_FS_UUID_ENC=u-{at}\nG:systemd\n"),
        );
    }
    machine.write("/proc/diskstats", diskstats);
    machine.write("/proc/partitions", partitions);
    machine.write("/proc/1/mountinfo", &mountinfo);
    machine.write("/proc/self/mountinfo", &mountinfo);
    machine.write("/proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n");
    machine.write("/proc/sys/kernel/hostname", "generated\n");
    machine
}

const SECTORS: u64 = 7_501_476_528;

struct Disk {
    name: String,
    number: (u32, u32),
    folder: String,
}

fn nvme(machine: &Machine, at: usize) -> Disk {
    let name = format!("nvme{at}n1");
    let controller = format!("/sys/devices/pci0000:00/0000:{at:02x}:00.0/nvme/nvme{at}");
    let folder = format!("{controller}/{name}");
    // Minor numbers of one extended major, 2 for each disk and its partition.
    let number = (259, u32::try_from(at * 2).expect("few disks"));
    for (file, content) in [
        ("model", "SAMSUNG MZQL23T8HCLS-00A07             "),
        ("serial", &format!("S64HNE0R{at:06}      ")),
        ("firmware_rev", "GDC5602Q"),
        ("transport", "pcie"),
        ("state", "live"),
    ] {
        machine.write(format!("{controller}/{file}"), format!("{content}\n"));
    }
    machine.link(
        format!("{folder}/device"),
        "../../nvme".to_owned() + &at.to_string(),
    );
    machine.write(format!("{folder}/wwid"), format!("eui.36344830525{at:05}\n"));
    common(machine, &folder, &name, number, "0");
    let (major, minor) = number;
    machine.write(
        format!("/run/udev/data/b{major}:{minor}"),
        format!("E:ID_SERIAL_SHORT=S64HNE0R{at:06}\nE:ID_WWN=eui.36344830525{at:05}\nE:ID_MODEL=SAMSUNG MZQL23T8HCLS-00A07\nE:ID_REVISION=GDC5602Q\nE:ID_PATH=pci-0000:{at:02x}:00.0-nvme-1\n"),
    );
    Disk { name, number, folder }
}

fn sata(machine: &Machine, at: usize) -> Disk {
    let letters = |mut at: usize| {
        let mut letters = String::new();
        loop {
            letters.insert(0, char::from(b'a' + u8::try_from(at % 26).expect("a letter")));
            if at < 26 {
                return letters;
            }
            at = at / 26 - 1;
        }
    };
    let name = format!("sd{}", letters(at));
    let unit = format!("/sys/devices/pci0000:00/0000:00:17.0/ata{at}/host{at}/target{at}:0:0/{at}:0:0:0");
    let folder = format!("{unit}/block/{name}");
    let number = (8, u32::try_from(at * 16).expect("few disks"));
    for (file, content) in [
        ("model", "ST4000NM0035-1V4"),
        ("vendor", "ATA     "),
        ("rev", "TN04"),
        ("state", "running"),
        ("type", "0"),
    ] {
        machine.write(format!("{unit}/{file}"), format!("{content}\n"));
    }
    machine.link(format!("{folder}/device"), format!("../../../{at}:0:0:0"));
    common(machine, &folder, &name, number, "1");
    let (major, minor) = number;
    machine.write(
        format!("/run/udev/data/b{major}:{minor}"),
        format!("E:ID_BUS=ata\nE:ID_MODEL=ST4000NM0035-1V4107\nE:ID_MODEL_ENC=ST4000NM0035-1V4107\\x20\\x20\nE:ID_SERIAL=ST4000NM0035_ZC1{at:05}\nE:ID_SERIAL_SHORT=ZC1{at:05}\nE:ID_WWN=0x5000c500a{at:07}\nE:ID_WWN_WITH_EXTENSION=0x5000c500a{at:07}\nE:ID_REVISION=TN04\nE:ID_PATH=pci-0000:00:17.0-ata-{at}\n"),
    );
    Disk { name, number, folder }
}

fn common(machine: &Machine, folder: &str, name: &str, (major, minor): (u32, u32), rotational: &str) {
    for (file, content) in [
        ("dev", format!("{major}:{minor}")),
        ("size", SECTORS.to_string()),
        ("ro", "0".into()),
        ("removable", "0".into()),
        ("hidden", "0".into()),
        ("diskseq", (minor + 10).to_string()),
        ("queue/rotational", rotational.into()),
    ] {
        machine.write(format!("{folder}/{file}"), format!("{content}\n"));
    }
    machine.link(
        format!("/sys/class/block/{name}"),
        format!("../..{}", folder.trim_start_matches("/sys")),
    );
}
