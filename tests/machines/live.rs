//! What the running program said while a stack's `live.sh` did something to the machine: servers that fall silent, disks that
//! are pulled, reads and writes of known size.

use std::path::Path;

use serde_json::Value;

/// Each thing that is not as it must be, in one line; and what was measured, for people. Nothing where the stack has no
/// `live.sh`.
pub(crate) fn disagreements(stack: &str, folder: &Path) -> Result<(Vec<String>, Vec<String>), String> {
    let said = Said::of(folder.join("live"));
    match stack {
        "nfs" => silent_server(said),
        "io-truth" => known_bytes(said),
        "hot-plug" => pulled_disks(said),
        "multipath" => lost_path(said),
        "nvme-multipath" => pulled_controller(said),
        "network-disks" => targets(said, folder),
        super::local_engines::STACK => super::local_engines::both_answers(said),
        _ => Ok(said),
    }
    .map(|said| (said.wrong, said.measured))
}

pub(crate) struct Said {
    folder: std::path::PathBuf,
    pub(crate) wrong: Vec<String>,
    pub(crate) measured: Vec<String>,
}

impl Said {
    /// What lies in this folder, of which nothing is wrong as yet.
    pub(crate) fn of(folder: std::path::PathBuf) -> Self {
        Self {
            folder,
            wrong: Vec::new(),
            measured: Vec::new(),
        }
    }

    pub(crate) fn read(&self, name: &str) -> Result<String, String> {
        std::fs::read_to_string(self.folder.join(name)).map_err(|error| format!("live/{name}: {error}"))
    }

    pub(crate) fn page(&self, name: &str) -> Result<Page, String> {
        Ok(Page(self.read(&format!("{name}.metrics"))?))
    }

    pub(crate) fn must(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.wrong.push(what());
        }
    }

    /// Words of each line of a file.
    pub(crate) fn lines(&self, name: &str) -> Result<Vec<Vec<String>>, String> {
        let text = self.read(name)?;
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect();
        Ok(text.lines().map(words).collect())
    }

    /// Seconds that each answer took, in order; every answer must be one.
    fn seconds(&mut self, name: &str, kind: &str) -> Result<Vec<f64>, String> {
        let mut seconds = Vec::new();
        for words in self.lines("requests")? {
            if let [its_name, its_kind, status, took] = &words[..]
                && its_name == name
                && its_kind == kind
            {
                self.must(status == "200", || {
                    format!("{name}: a {kind} was answered with {status}")
                });
                seconds.extend(took.parse::<f64>().ok());
            }
        }
        seconds.sort_by(f64::total_cmp);
        Ok(seconds)
    }
}

/// A metrics page.
pub(crate) struct Page(String);

impl Page {
    /// The lines of a family that have all these labels.
    pub(crate) fn samples<'a>(&'a self, family: &str, labels: &[(&str, &str)]) -> Vec<&'a str> {
        let start = format!("storage_probe_{family}{{");
        let has = |line: &str| {
            labels.iter().all(|(name, value)| {
                let label = format!("{name}=\"{value}\"");
                line.contains(&format!("{{{label}")) || line.contains(&format!(",{label}"))
            })
        };
        let lines = self.0.lines();
        lines
            .filter(|line| line.starts_with(&start) && has(line))
            .collect()
    }

    /// The value of the one sample.
    pub(crate) fn value(&self, family: &str, labels: &[(&str, &str)]) -> Option<f64> {
        match self.samples(family, labels)[..] {
            [line] => line.rsplit(' ').next()?.parse().ok(),
            _ => None,
        }
    }
}

// --- Disks on a network ---------------------------------------------------------------------------------------------

/// Where the volumes' disks are, as the tools that attached them say.
fn targets(mut said: Said, folder: &Path) -> Result<Said, String> {
    let sessions =
        std::fs::read_to_string(folder.join("iscsi.txt")).map_err(|error| format!("iscsi.txt: {error}"))?;
    // tcp: [1] 127.0.0.1:3260,1 iqn.2026-01.example:disks (non-flash)
    let session: Vec<_> = sessions.split_whitespace().collect();
    let portal = session
        .get(2)
        .and_then(|portal| portal.split(',').next())
        .unwrap_or("no portal");
    let iscsi = [portal, session.get(3).copied().unwrap_or("no target")];
    let subsystems = super::document(folder, "nvme.json")?.to_string();
    let nvme = ["nqn.2026-01.example:disks", "127.0.0.1", "4420"];
    for word in nvme {
        said.must(subsystems.contains(word), || {
            format!("nvme list-subsys has no {word}")
        });
    }
    let tree = super::document(&folder.join("volumes"), "tree.json")?;
    for (name, words) in [
        ("pvc-iscsi", &iscsi[..]),
        ("pvc-nvme", &nvme[..]),
        ("pvc-nbd", &[]),
        ("pvc-zram", &[]),
    ] {
        let volumes = tree["volumes"].as_array().into_iter().flatten();
        let remote = volumes
            .filter(|volume| volume["name"] == name)
            .filter_map(|volume| volume["remote"].as_str())
            .collect::<String>();
        said.measured.push(format!("{name}: {remote:?}"));
        let all = words.iter().all(|word| remote.contains(word)) && words.is_empty() == remote.is_empty();
        said.must(all, || format!("{name}: the tools {words:?}, ours {remote:?}"));
    }
    Ok(said)
}

// --- A server that falls silent -----------------------------------------------------------------------------------

const ON_THE_SERVER: [&str; 3] = ["nfs-alone", "csi-one", "csi-two"];

fn silent_server(mut said: Said) -> Result<Said, String> {
    counted(&mut said, "nfs", ("io-before", "io-after"))?;
    let (healthy, silent, recovered) = (
        said.page("healthy")?,
        said.page("silent")?,
        said.page("recovered")?,
    );
    for volume in ON_THE_SERVER {
        let label = ("persistentvolume", volume);
        let error = silent.value("volume_stats_error", &[label, ("reason", "not_responding")]);
        said.must(error == Some(1.0), || {
            format!(
                "{volume}: nothing says that its server is silent: {:?}",
                silent.samples("volume_stats_error", &[])
            )
        });
        said.must(
            silent.samples("volume_capacity_bytes", &[label]).is_empty(),
            || format!("{volume}: it has a capacity while its server is silent"),
        );
        for page in [&healthy, &recovered] {
            let capacity = page.value("volume_capacity_bytes", &[label]);
            said.must(capacity.is_some(), || {
                format!("{volume}: no capacity while its server answers")
            });
        }
    }
    for family in [
        "volume_capacity_bytes",
        "volume_available_bytes",
        "filesystem_size_bytes",
        "disk_info",
    ] {
        let of_server =
            |line: &&str| ON_THE_SERVER.iter().any(|volume| line.contains(volume)) || line.contains("nfs");
        let others = |page: &Page| -> Vec<String> {
            let lines = page.samples(family, &[]);
            lines
                .iter()
                .filter(|line| !of_server(line))
                .map(|line| (*line).to_owned())
                .collect()
        };
        said.must(
            !others(&healthy).is_empty() && others(&silent) == others(&healthy),
            || {
                format!(
                    "{family}: others than the server's changed: {:?}, {:?}",
                    others(&healthy),
                    others(&silent)
                )
            },
        );
    }
    let report = said.read("silent.report.json")?;
    said.must(report.contains("not responding"), || {
        "the report does not say that a server is silent".into()
    });
    let log = said.read("serve.log")?;
    let lines = |level: &str| {
        log.lines()
            .filter(|line| line.contains(level) && line.contains("statfs does not come back"))
            .count()
    };
    let (told, over) = (lines(" WARN "), lines(" over "));
    said.must((told, over) == (2, 2), || {
        format!("two file systems are silent and come back: the log has {told} lines of the one and {over} of the other")
    });
    answered_in_time(&mut said)?;
    flat(&mut said)?;
    Ok(said)
}

/// On hardware a report must take less than 50 ms and a page less than a second while a server is silent. Here everything takes
/// longer by a factor that nobody knows, so it is measured: what the same answer takes while the server is well, against the
/// 5 ms that curl and the program need for it on a slow real machine.
fn answered_in_time(said: &mut Said) -> Result<(), String> {
    for (kind, limit, number) in [("report", 0.05, 60), ("page", 1.0, 10)] {
        let healthy = said.seconds("healthy", kind)?;
        let silent = said.seconds("silent", kind)?;
        let median = healthy.get(healthy.len() / 2).copied().unwrap_or_default();
        let factor = (median / 0.005).max(1.0);
        let slowest = silent.last().copied().unwrap_or(f64::INFINITY);
        said.measured.push(format!(
            "{kind} while the server is well {:.0} ms (median), silent {:.0} ms (median), {:.0} ms (slowest of {}); bound {:.0} ms, emulation is taken to be {factor:.1} times slower",
            median * 1e3,
            silent.get(silent.len() / 2).copied().unwrap_or_default() * 1e3,
            slowest * 1e3,
            silent.len(),
            limit * factor * 1e3,
        ));
        // Beside each other on one machine the two are comparable, however loaded it is.
        let usual = silent.get(silent.len() / 2).copied().unwrap_or(f64::INFINITY);
        said.must(usual < 2.0 * median, || {
            format!("{kind}s take {usual} s while the server is silent, and {median} s otherwise")
        });
        said.must(silent.len() == number && slowest < limit * factor, || {
            format!(
                "{kind}s while the server is silent: {} of {number}, the slowest took {slowest} s",
                silent.len()
            )
        });
    }
    Ok(())
}

/// Threads, open files and memory do not grow while the server is silent, however often somebody asks.
fn flat(said: &mut Said) -> Result<(), String> {
    let footprints = said.lines("footprints")?;
    let of = |name: &str| -> Option<[u64; 3]> {
        let words = footprints.iter().find(|words| words[0] == name)?;
        Some([
            words.get(1)?.parse().ok()?,
            words.get(2)?.parse().ok()?,
            words.get(3)?.parse().ok()?,
        ])
    };
    let all = ["healthy", "silent-early", "silent-late", "recovered"].map(of);
    let [Some(healthy), Some(early), Some(late), Some(recovered)] = all else {
        return Err(format!("live/footprints: {footprints:?}"));
    };
    said.measured.push(format!(
        "threads, open files, kB resident: healthy {healthy:?}, silent {early:?} and later {late:?}, recovered {recovered:?}"
    ));
    // Two file systems of the server, one call each.
    said.must(late[0] <= healthy[0] + 2, || {
        format!("{} threads are stuck", late[0] - healthy[0])
    });
    said.must(late[0] <= early[0] && late[1] <= early[1], || {
        "threads or open files grow".into()
    });
    said.must(late[2] <= early[2] + early[2] / 20, || "memory grows".into());
    said.must(
        recovered[0] <= healthy[0] + 1 && recovered[1] <= healthy[1],
        || "threads or files stay".into(),
    );
    Ok(())
}

// --- Reads and writes of known size -------------------------------------------------------------------------------

fn known_bytes(mut said: Said) -> Result<Said, String> {
    let (before, after) = (said.lines("counted-before")?, said.lines("counted-after")?);
    counted(&mut said, "", ("before", "after"))?;
    // The kernel's own files agree, so that it was these bytes and no others.
    for (before, after) in before.iter().zip(&after) {
        let noted = said.lines("notes")?;
        let noted = noted.iter().find(|words| words[0] == before[0]);
        for (what, at) in [("read", 2), ("written", 4)] {
            let kernels = number(&after[at])? - number(&before[at])?;
            let expected = noted
                .and_then(|words| after_word(words, what))
                .unwrap_or_default();
            said.must(kernels == expected, || {
                format!(
                    "{}: the kernel counted {kernels} bytes {what}, asked for {expected}",
                    before[0]
                )
            });
        }
    }
    Ok(said)
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|error| format!("{text}: {error}"))
}

fn after_word(words: &[String], word: &str) -> Option<u64> {
    let at = words.iter().position(|its| its == word)?;
    words.get(at + 1)?.parse().ok()
}

/// The notes say which volume was read and written, and how much: `NAME [SOURCE] written BYTES read BYTES`.
fn counted(said: &mut Said, source: &str, (before, after): (&str, &str)) -> Result<(), String> {
    let (before, after) = (said.page(before)?, said.page(after)?);
    let notes = said.lines("notes")?;
    said.must(!notes.is_empty(), || "nothing was noted".into());
    for words in notes {
        let source = if source.is_empty() {
            words[1].as_str()
        } else {
            source
        };
        let labels = [("persistentvolume", words[0].as_str()), ("source", source)];
        for (family, what) in [
            ("volume_written_bytes_total", "written"),
            ("volume_read_bytes_total", "read"),
        ] {
            let expected = after_word(&words, what).map(|bytes| bytes as f64);
            // A control group without I/O on the disk is not listed there.
            let start = before
                .value(family, &labels)
                .or((source == "cgroup").then_some(0.0));
            let difference = after
                .value(family, &labels)
                .zip(start)
                .map(|(after, before)| after - before);
            said.measured.push(format!(
                "{}: {what} {expected:?} bytes, {source} counted {difference:?}",
                words[0]
            ));
            said.must(difference == expected && expected.is_some(), || {
                format!(
                    "{}: {expected:?} bytes were {what}, {source} counted {difference:?}",
                    words[0]
                )
            });
        }
    }
    Ok(())
}

// --- Disks that are pulled ------------------------------------------------------------------------------------------

fn pulled_disks(mut said: Said) -> Result<Said, String> {
    let notes = said.lines("notes")?;
    let disk_of = |name: &str| -> Result<[String; 2], String> {
        let words = notes.iter().find(|words| words[0] == name);
        let words = words.ok_or_else(|| format!("live/notes: no {name}"))?;
        Ok([words[1].clone(), words.get(2).cloned().unwrap_or_default()])
    };
    let ([first, first_serial], [second, second_serial]) = (disk_of("first")?, disk_of("second")?);
    let [pulled_at, _] = disk_of("pulled-at")?;
    said.must(first == second, || {
        format!("the second disk is {second}, and not {first} as the first was")
    });
    let (of_first, of_second) = (said.page("first")?, said.page("second")?);
    let written = |page: &Page| page.value("disk_written_bytes_total", &[("device", &first)]);
    said.must(
        written(&of_second) < written(&of_first) && written(&of_second).is_some(),
        || "the second disk has written more than the first, so that nothing is proved".into(),
    );
    for (page, serial, volume) in [
        (&of_first, &first_serial, "pvc-first"),
        (&of_second, &second_serial, "pvc-second"),
    ] {
        let infos = page.samples("disk_info", &[("device", &first), ("serial", serial)]);
        said.must(infos.len() == 1, || {
            format!("{first}: no disk_info with the serial number {serial}")
        });
        let on_it = page.samples(
            "volume_device_info",
            &[("persistentvolume", volume), ("disk", &first), ("serial", serial)],
        );
        said.must(on_it.len() == 1, || {
            format!("{volume}: it does not lie on {serial}")
        });
    }
    // What has gone is on no later page and in no later report.
    let stays = "SCSI-STAYS-17";
    let gone: [(&str, Vec<&str>); 4] = [
        ("pulled", vec![&first_serial, &second_serial, "pvc-first"]),
        ("second", vec![&first_serial, "pvc-first"]),
        ("surprise", vec![&first_serial, "pvc-first", stays]),
        ("back", vec![&first_serial, "pvc-first"]),
    ];
    for (name, words) in gone {
        let texts = [said.page(name)?.0, said.read(&format!("{name}.report.json"))?];
        for word in words {
            let stale = texts.iter().any(|text| text.contains(word));
            said.must(!stale, || format!("{name}: {word} is still there"));
        }
    }
    let labels = [("device", first.as_str())];
    let pulled = said.page("pulled")?;
    said.must(
        pulled.samples("disk_written_bytes_total", &labels).is_empty(),
        || format!("{first} is still counted"),
    );
    let back = said.page("back")?;
    said.must(back.samples("disk_info", &[("serial", stays)]).len() == 1, || {
        format!("{stays} did not come back")
    });
    let on_it = said
        .page("surprise")?
        .samples("volume_device_info", &[("persistentvolume", "pvc-stays")])
        .len();
    said.must(on_it == 0, || "pvc-stays lies on a disk that has gone".into());
    rates(&mut said, &first, &pulled_at)?;
    let requests = said.lines("requests")?;
    let refused = requests.iter().filter(|words| words[2] != "200").count();
    said.must(refused == 0, || {
        format!("{refused} of {} requests were not answered", requests.len())
    });
    Ok(said)
}

/// No rate is below zero, and those of the second disk begin after the first was pulled.
fn rates(said: &mut Said, second: &str, pulled_at: &str) -> Result<(), String> {
    for name in ["first", "pulled", "second", "surprise", "back"] {
        let text = said.read(&format!("{name}.report.json"))?;
        let report: Value = serde_json::from_str(&text).map_err(|error| format!("{name}: {error}"))?;
        let nodes = report["PersistentVolume"]["nodes"]
            .as_object()
            .cloned()
            .unwrap_or_default();
        said.must(!nodes.is_empty(), || format!("{name}: the report has no node"));
        let mut samples = 0;
        for (id, node) in &nodes {
            for (metric, values) in node["metrics"].as_object().into_iter().flatten() {
                for sample in values["samples"].as_array().into_iter().flatten() {
                    samples += 1;
                    let value = sample["value"].as_f64().unwrap_or(-1.0);
                    said.must(value >= 0.0, || format!("{name}: {id}: {metric}: {sample}"));
                    let date = sample["date"].as_str().unwrap_or_default();
                    let early = name == "second" && id.contains(&format!("-{second};")) && date < pulled_at;
                    said.must(!early, || {
                        format!("{name}: {id}: {metric}: {sample} is of before {pulled_at}")
                    });
                }
            }
        }
        said.measured
            .push(format!("{name}: {samples} samples in the report"));
        said.must(name != "second" || samples > 0, || {
            "the second disk has no rates, so that nothing is proved".into()
        });
    }
    Ok(())
}

/// A path that is taken offline, as multipathd sees it at the same moment; and a disk that takes no requests.
fn lost_path(mut said: Said) -> Result<Said, String> {
    let notes = said.lines("notes")?;
    let [_, map, lost, single] = &notes[0][..] else {
        return Err(format!("live/notes: {notes:?}"));
    };
    for (name, usable) in [("whole", 2.0), ("lost", 1.0), ("back", 2.0)] {
        let page = said.page(name)?;
        let of_map = [("device", map.as_str())];
        for (family, wanted) in [("multipath_paths", 2.0), ("multipath_paths_usable", usable)] {
            let found = page.value(family, &of_map);
            said.must(found == Some(wanted), || format!("{name}: {family} is {found:?}"));
        }
        let theirs = said.lines(&format!("{name}.paths"))?;
        let mut of_it = 0;
        for words in &theirs {
            let labels = [("path", words[0].as_str()), ("state", words[1].as_str())];
            of_it += page.samples("multipath_path_info", &labels).len();
        }
        said.must(of_it == 2, || {
            format!("{name}: multipathd says {theirs:?}, and the page another thing")
        });
        let troubles = page.samples("device_attention", &[]);
        let expected = page.samples("device_attention", &[of_map[0], ("kind", "path_lost")]);
        let count = usize::from(name == "lost");
        said.must(troubles.len() == count && expected.len() == count, || {
            format!("{name}: {troubles:?}")
        });
        let below = [("persistentvolume", "pvc-first"), of_map[0]];
        let told = page.samples("volume_device_attention", &below).len();
        said.must(told == count, || {
            format!("{name}: pvc-first is told of {told} devices")
        });
    }
    let report = said.read("lost.report.json")?;
    let words = format!("path lost: 1 of 2 paths cannot be used: {lost} (offline)");
    said.must(report.contains(&words), || {
        format!("the report does not say: {words}")
    });
    let labels = [
        ("persistentvolume", "local-single"),
        ("device", single.as_str()),
        ("kind", "unusable"),
    ];
    for (name, wanted) in [("lost", 0), ("single", 1), ("end", 0)] {
        let told = said.page(name)?.samples("volume_device_attention", &labels).len();
        said.must(told == wanted, || {
            format!("{name}: local-single is told of {told} disks, and not of {wanted}")
        });
    }
    Ok(said)
}

/// Of an NVMe disk's two controllers one is pulled: its path is gone altogether.
fn pulled_controller(mut said: Said) -> Result<Said, String> {
    let notes = said.lines("notes")?;
    let [_, head, controllers] = &notes[0][..] else {
        return Err(format!("live/notes: {notes:?}"));
    };
    said.must(controllers == "2", || {
        format!("there were {controllers} controllers")
    });
    for (name, wanted) in [("whole", 2_u8), ("lost", 1)] {
        let page = said.page(name)?;
        for family in ["multipath_paths", "multipath_paths_usable"] {
            let found = page.value(family, &[("device", head)]);
            said.must(found == Some(f64::from(wanted)), || {
                format!("{name}: {family} is {found:?}")
            });
        }
        let live = page.samples("multipath_path_info", &[("device", head), ("state", "live")]);
        said.must(live.len() == usize::from(wanted), || format!("{name}: {live:?}"));
        let on_it = page.samples(
            "volume_device_info",
            &[("persistentvolume", "pvc-first"), ("disk", head)],
        );
        said.must(on_it.len() == 1, || {
            format!("{name}: pvc-first does not lie on {head}")
        });
    }
    Ok(said)
}
