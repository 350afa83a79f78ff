//! gzip for pages.
//!
//! The compressor's tables are a quarter of a megabyte: made anew for each page they would cost the kernel more time,
//! page by page, than a small page takes to compress. So they are kept.

use flate2::{Compress, Compression, FlushCompress, Status};

/// How far back repetitions are sought, as a power of two: all that gzip can. Less would save memory of which a small page touches
/// little, and the tables are turned over once per window, which for one of 4 KiB takes more time than all else.
const WINDOW_BITS: u8 = 15;
/// How hard repetitions are sought. At 1 a page is a quarter larger and not quicker; at 3 it takes half as long again for a
/// thirtieth less.
const LEVEL: u32 = 2;
/// The result grows by so much at a time.
const ROOM: usize = 4096;

/// A compressor for one page after another.
#[derive(Debug)]
pub struct PageCompressor {
    state: Compress,
}

impl Default for PageCompressor {
    fn default() -> Self {
        Self {
            state: Compress::new_gzip(Compression::new(LEVEL), WINDOW_BITS),
        }
    }
}

impl PageCompressor {
    /// What `write` writes, compressed while it is written: it is never in memory as a whole.
    ///
    /// # Errors
    ///
    /// None that are known of; the compressor's own would be passed on.
    pub fn compress(&mut self, write: impl FnOnce(&mut dyn FnMut(&str))) -> std::io::Result<Vec<u8>> {
        self.state.reset();
        let mut compressed = Vec::with_capacity(ROOM);
        let mut outcome = Ok(());
        write(&mut |piece| {
            if outcome.is_ok() {
                outcome = self.add(piece.as_bytes(), FlushCompress::None, &mut compressed);
            }
        });
        outcome?;
        self.add(&[], FlushCompress::Finish, &mut compressed)?;
        Ok(compressed)
    }

    fn add(&mut self, piece: &[u8], flush: FlushCompress, compressed: &mut Vec<u8>) -> std::io::Result<()> {
        let before = self.state.total_in();
        loop {
            if compressed.len() == compressed.capacity() {
                compressed.reserve(ROOM);
            }
            let taken = usize::try_from(self.state.total_in() - before).unwrap_or(piece.len());
            let rest = piece.get(taken..).unwrap_or_default();
            if rest.is_empty() && flush == FlushCompress::None {
                return Ok(());
            }
            if self.state.compress_vec(rest, compressed, flush)? == Status::StreamEnd {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn decompressed(bytes: &[u8]) -> String {
        let mut text = String::new();
        flate2::read::GzDecoder::new(bytes)
            .read_to_string(&mut text)
            .unwrap();
        text
    }

    #[test]
    fn every_page_is_whole_whatever_was_compressed_before() {
        let mut compressor = PageCompressor::default();
        for size in [0, 1, 3, 5_000, 200, 20_000, 0, 7] {
            let page: String = (0..size)
                .map(|number: u32| number.wrapping_mul(2_654_435_761).to_string())
                .collect();
            for piece in [1, 1000, 1 << 20] {
                let compressed = compressor
                    .compress(|take| {
                        for part in page.as_bytes().chunks(piece) {
                            take(std::str::from_utf8(part).unwrap());
                        }
                    })
                    .unwrap();
                assert!(decompressed(&compressed) == page, "{size} in pieces of {piece}");
            }
        }
    }
}
