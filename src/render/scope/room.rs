//! How much a report may have, and what found no room in it.
//!
//! Who asks first is served first. Once something found no room, nothing less urgent takes its place.

use super::report::{Node, Nodes};

/// Most bytes of nodes, so that with everything else a report stays well below the 2 MB that Scope's probe can read in time.
pub(super) const MOST_BYTES: usize = 1_800_000;

/// Most bytes of one object: a text that somebody made endless must not take the place of all others.
const MOST_OF_AN_OBJECT: usize = 20_000;

/// What is left for a report, or for a part of one.
#[derive(Debug)]
pub(super) struct Room {
    bytes: usize,
    is_full: bool,
    left_out: usize,
}

impl Room {
    /// So many bytes.
    pub(super) fn new(bytes: usize) -> Self {
        Self {
            bytes,
            is_full: false,
            left_out: 0,
        }
    }

    /// True once something found no room.
    pub(super) fn is_full(&self) -> bool {
        self.is_full
    }

    /// How many nodes found none.
    pub(super) fn left_out(&self) -> usize {
        self.left_out
    }

    /// Counts what was not even tried.
    pub(super) fn leave_out(&mut self, number: usize) {
        self.left_out += number;
    }

    /// Writes a node, if there is room for it.
    pub(super) fn add(&mut self, nodes: &mut Nodes, node: Node<'_>) {
        self.add_at_most(nodes, node, usize::MAX);
    }

    /// Writes an object of the API, likewise. One that is much larger than any other is left out alone.
    pub(super) fn add_object(&mut self, nodes: &mut Nodes, node: Node<'_>) {
        self.add_at_most(nodes, node, MOST_OF_AN_OBJECT);
    }

    fn add_at_most(&mut self, nodes: &mut Nodes, node: Node<'_>, most: usize) {
        if self.is_full {
            self.left_out += 1;
            return;
        }
        match nodes.add(node, most.min(self.bytes)) {
            Ok(length) => self.bytes -= length,
            Err(length) => {
                self.is_full = length <= most;
                self.left_out += 1;
            }
        }
    }

    /// Fills a part of it: what finds no room in that is left out, and what comes after may find some.
    pub(super) fn fill_part(&mut self, most: usize, fill: impl FnOnce(&mut Self)) {
        let given = most.min(self.bytes);
        let mut part = Self {
            bytes: given,
            is_full: self.is_full,
            left_out: 0,
        };
        fill(&mut part);
        self.bytes -= given - part.bytes;
        self.left_out += part.left_out;
    }
}

#[cfg(test)]
mod tests {
    use super::super::ids;
    use super::super::report::Values;
    use super::*;

    fn node(id: &str) -> Node<'static> {
        Node::new(id.to_owned(), ids::POD, Values::default())
    }

    #[test]
    fn what_found_no_room_leaves_none_to_what_comes_after() {
        let (mut room, mut nodes) = (Room::new(100), Nodes::default());
        room.add_object(&mut nodes, node("one"));
        room.add_object(&mut nodes, node(&"two".repeat(20)));
        room.add_object(&mut nodes, node("three"));
        assert_eq!((nodes.len(), room.left_out(), room.is_full()), (1, 2, true));
    }

    #[test]
    fn an_object_that_is_much_larger_than_any_other_is_left_out_alone() {
        let (mut room, mut nodes) = (Room::new(MOST_BYTES), Nodes::default());
        room.add_object(&mut nodes, node(&"large".repeat(10_000)));
        room.add_object(&mut nodes, node("small"));
        room.add_object(&mut nodes, node("small"));
        assert_eq!((nodes.len(), room.left_out(), room.is_full()), (1, 1, false));
    }

    #[test]
    fn a_part_that_is_full_leaves_the_rest_to_others() {
        let (mut room, mut nodes) = (Room::new(MOST_BYTES), Nodes::default());
        room.fill_part(100, |part| {
            for number in 0..10 {
                part.add_object(&mut nodes, node(&format!("pool-{number}")));
            }
        });
        let in_part = nodes.len();
        assert_eq!(room.left_out(), 10 - in_part);
        room.add_object(&mut nodes, node("claim"));
        assert_eq!(nodes.len(), in_part + 1);
    }
}
