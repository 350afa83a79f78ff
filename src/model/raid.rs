//! md arrays: what their members are to them, and how many they can lose.

/// What a device is to the md array that lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RaidRole {
    /// It holds its part of the data, all of it current.
    InSync,
    /// It holds the array's journal, and no data for long.
    Journal,
    /// It holds nothing that counts: it has failed, it is a spare, or it is being filled.
    Idle,
}

impl RaidRole {
    /// What a member's state says (`md/dev-NAME/state`, Documentation/admin-guide/md.rst): words with commas between them. A member that has
    /// failed may bear `in_sync` for a moment more.
    pub fn of_state(state: &str) -> Self {
        let has = |word| state.split(',').any(|known| known == word);
        if has("faulty") {
            Self::Idle
        } else if has("journal") {
            Self::Journal
        } else if has("in_sync") {
            Self::InSync
        } else {
            Self::Idle
        }
    }
}

/// A device that an md array lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RaidMember {
    /// The kernel's name.
    pub name: String,
    /// What it is to the array.
    pub role: RaidRole,
}

/// How many members an array of this level can lose; `None` for what is no redundant array, and for levels of which that hangs on how many
/// members there are, or on which ones are lost.
pub fn tolerated(level: &str) -> Option<u64> {
    match level {
        "raid4" | "raid5" => Some(1),
        "raid6" => Some(2),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_members_role_is_read_off_its_state() {
        for (state, role) in [
            ("in_sync", RaidRole::InSync),
            ("in_sync,write_mostly,failfast", RaidRole::InSync),
            ("in_sync,want_replacement", RaidRole::InSync),
            ("faulty", RaidRole::Idle),
            ("faulty,in_sync", RaidRole::Idle),
            ("spare", RaidRole::Idle),
            ("spare,replacement", RaidRole::Idle),
            ("journal", RaidRole::Journal),
            ("in_sync,journal", RaidRole::Journal),
            ("in_syncing", RaidRole::Idle),
        ] {
            assert_eq!(RaidRole::of_state(state), role, "{state}");
        }
    }
}
