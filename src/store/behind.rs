//! Writing behind: one thread makes an archive while another one hashes, seals and stores what was made so far. Each of the
//! two is about half of the work.

use crate::base::error::{Context, Error, Result};
use std::io::{self, Write};
use std::sync::mpsc::{SyncSender, sync_channel};

/// Bytes that change hands at once, and how many of these may wait.
const CHUNK: usize = 256 << 10;
const WAITING: usize = 8;

/// Lets `work` write; its bytes come to `to` in another thread, in their order. All of them are there when it returns.
///
/// # Errors
/// What `to` says; otherwise what `work` says, of which some may have been written then.
pub fn behind(to: &mut (impl Write + Send), work: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    std::thread::scope(|scope| {
        let (sender, receiver) = sync_channel::<Vec<u8>>(WAITING);
        let writer = scope.spawn(move || receiver.into_iter().try_for_each(|chunk| to.write_all(&chunk)));
        let mut ahead = Ahead { sender, chunk: Vec::new() };
        let worked = work(&mut ahead).and_then(|()| ahead.flush().context(|| "writing the archive"));
        drop(ahead); // the writer's end
        let written = writer.join().map_err(|_| Error::internal("the thread that writes the archive has panicked"))?;
        // It comes first: that nothing could be passed on is its consequence.
        written.context(|| "writing the archive")?;
        worked
    })
}

struct Ahead {
    sender: SyncSender<Vec<u8>>,
    chunk: Vec<u8>,
}

impl Write for Ahead {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.chunk.extend_from_slice(bytes);
        if self.chunk.len() >= CHUNK {
            self.flush()?;
        }
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        let chunk = std::mem::take(&mut self.chunk);
        self.sender.send(chunk).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_arrives_in_its_order_whatever_the_pieces_are() {
        let mut to = Vec::new();
        behind(&mut to, |out| {
            (0..300_000_u32).try_for_each(|n| out.write_all(&n.to_le_bytes())).context(|| "")?;
            out.write_all(&vec![7; 3 * CHUNK + 1]).context(|| "")
        })
        .unwrap();
        assert_eq!(to.len(), 1_200_000 + 3 * CHUNK + 1);
        assert!(to.chunks(4).take(300_000).enumerate().all(|(n, four)| four == u32::try_from(n).unwrap().to_le_bytes()));
    }

    /// Full after a megabyte.
    struct Disk(usize);

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            if self.0 > 1 << 20 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(bytes.len()) }
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_is_told_as_such_and_work_that_failed_as_what_it_was() {
        let full = behind(&mut Disk(0), |out| (0..100).try_for_each(|_| out.write_all(&[0; CHUNK])).context(|| "passing it on"));
        assert!(full.unwrap_err().to_string().contains("writing the archive"), "the cause, not the consequence");
        let mut to = Vec::new();
        let failed = behind(&mut to, |out| {
            out.write_all(b"some").context(|| "")?;
            Err(Error::cancelled())
        });
        assert_eq!(failed.unwrap_err().to_string(), Error::cancelled().to_string());
    }
}
