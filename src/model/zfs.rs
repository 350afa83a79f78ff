//! Names of ZFS.

/// The pool of a dataset, of a volume, or of a snapshot of these: `tank` of `tank/data@now`.
pub fn pool_of(dataset: &str) -> &str {
    dataset.split(['/', '@']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pool_is_the_first_part_of_a_dataset() {
        for (dataset, pool) in [
            ("tank", "tank"),
            ("tank/a/b", "tank"),
            ("tank@now", "tank"),
            ("", ""),
        ] {
            assert_eq!(pool_of(dataset), pool);
        }
    }
}
