//! A core whose stream is waited for last: compressing takes longer than everything else in it.

use super::{
    CoreImage, Early, ImageError, LOADED_LIMIT, Parts, decompressor, payload, sectors, within,
};

/// Eight times 255 numbers, none of which takes more than four bytes or so to be learnt, twice over.
const LEARNING_BYTES: usize = 16 << 10;

/// A core that lacks nothing but its stream. All its parts are what they are meant to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedCore {
    diskboot: Vec<u8>,
    decompressor: Vec<u8>,
    payload: Vec<u8>,
    /// Where it had to be waited for.
    stream: Option<Vec<u8>>,
    /// How long it may be, and what a message calls it.
    limit: Option<(&'static str, usize)>,
}

impl PlannedCore {
    /// Plans the core that has this module area, of 32-bit words.
    pub fn new(parts: Parts<'_>, area: &[u8]) -> Result<Self, ImageError> {
        let payload = payload(parts.kernel, area)?;
        // told other lengths when there is a stream
        decompressor(parts.decompressor, 0, payload.len())?;
        sectors::diskboot(parts.diskboot, 0)?;
        let (diskboot, decompressor) = (parts.diskboot.to_vec(), parts.decompressor.to_vec());
        Ok(Self { diskboot, decompressor, payload, stream: None, limit: None })
    }

    /// Bytes that it will hardly exceed: those that its payload takes where nothing repeats, every byte is
    /// written in as many bits as its frequency is worth, and three eighths of a bit; and those that it takes
    /// to learn the frequencies, of eight kinds of places.
    fn most_bytes(&self) -> f64 {
        let mut counts = [0_u32; 256];
        self.payload.iter().for_each(|byte| counts[usize::from(*byte)] += 1);
        let total: f64 = counts.iter().copied().map(f64::from).sum();
        let present = counts.into_iter().filter(|count| *count > 0).map(f64::from);
        let bits: f64 = present.map(|count| count * ((total / count).log2() + 0.375)).sum();
        let others = [self.diskboot.len(), self.decompressor.len(), LEARNING_BYTES];
        others.into_iter().map(f64_of).sum::<f64>() + bits / 8.0
    }

    /// Makes sure that it will have `limit_bytes` at most, and fit into memory. Only where there may be
    /// too little room that waits for the stream.
    pub fn within(
        mut self,
        what: &'static str,
        limit_bytes: usize,
        early: &Early,
    ) -> Result<Self, ImageError> {
        self.limit = Some((what, limit_bytes));
        if self.most_bytes() > f64_of(limit_bytes.min(LOADED_LIMIT)) {
            self.stream = Some(early.stream(&self.payload));
            self.compose(early)?;
        }
        Ok(self)
    }

    /// The core. Its payload may be compressed already.
    pub fn compose(&self, early: &Early) -> Result<CoreImage, ImageError> {
        let stream = self.stream.clone().unwrap_or_else(|| early.stream(&self.payload));
        let mut rest = decompressor(&self.decompressor, stream.len(), self.payload.len())?;
        rest.extend(stream);
        within("GRUB with its modules, compressed,", rest.len(), LOADED_LIMIT)?;
        let mut core = sectors::diskboot(&self.diskboot, rest.len())?.to_vec();
        core.extend(rest);
        self.limit.map_or(Ok(()), |(what, limit_bytes)| within(what, core.len(), limit_bytes))?;
        Ok(CoreImage(core))
    }
}

/// Lengths of cores are small; where one is not, it counts as more than there is.
fn f64_of(len: usize) -> f64 {
    u32::try_from(len).map_or(f64::INFINITY, f64::from)
}

#[cfg(test)]
mod tests {
    use super::super::fake::{self, noise};
    use super::*;

    fn planned(area: &[u8]) -> PlannedCore {
        let (diskboot, decompressor) = (fake::diskboot(), fake::decompressor());
        let kernel = fake::kernel(b"code", b"data");
        let parts = Parts { diskboot: &diskboot, decompressor: &decompressor, kernel: &kernel };
        PlannedCore::new(parts, area).unwrap()
    }

    #[test]
    fn cores_stay_below_what_they_will_hardly_exceed() {
        let halves = [noise(2, 60_000), noise(256, 60_000)].concat();
        let skewed = noise(5000, 90_000).into_iter().map(|byte| byte.min(20)).collect();
        let far = noise(32, 8192).into_iter().map(|byte| byte * 8).collect();
        let turns = noise(9, 80_000).into_iter().zip(noise(256, 80_000));
        let turns = turns.flat_map(|(a, b)| [a, b]).collect();
        let all = [vec![], vec![1], noise(256, 100), noise(256, 100_000), noise(2, 100_000)];
        let few = (3..9).map(|below| noise(below, 50_000));
        for area in all.into_iter().chain(few).chain([halves, skewed, turns, far, vec![0; 100_000]])
        {
            let planned = planned(&area);
            let core = planned.compose(&Early::default()).unwrap();
            let (len, most) = (f64_of(core.len()), planned.most_bytes());
            assert!(len <= most, "{} bytes: {len}, not {most}", area.len());
        }
    }

    #[test]
    fn only_where_there_is_little_room_the_stream_is_waited_for() {
        let planned = planned(&noise(16, 10_000));
        let len = planned.compose(&Early::default()).unwrap().len();
        let within = |limit| planned.clone().within("it", limit, &Early::default());
        assert_eq!(within(len + 2 * LEARNING_BYTES).unwrap().stream, None);
        let tight = within(len).unwrap();
        assert!(tight.stream.is_some());
        assert_eq!(tight.compose(&Early::default()), planned.compose(&Early::default()));
        let error = within(len - 1).unwrap_err();
        assert_eq!(error, ImageError::TooLarge { what: "it", len, limit: len - 1 });
    }

    #[test]
    fn what_has_not_been_waited_for_is_held_to_its_limit_too() {
        let planned = planned(&noise(16, 10_000));
        let len = planned.compose(&Early::default()).unwrap().len();
        let within = PlannedCore { limit: Some(("it", len - 1)), ..planned };
        let error = within.compose(&Early::default()).unwrap_err();
        assert_eq!(error, ImageError::TooLarge { what: "it", len, limit: len - 1 });
    }
}
