//! The last few tables and clusters.

use std::cell::RefCell;
use std::rc::Rc;

/// Keeps the last `most` pieces by their place.
#[derive(Debug)]
pub(super) struct Cache {
    pieces: RefCell<Vec<(u64, Rc<[u8]>)>>,
    most: usize,
}

impl Cache {
    pub(super) fn new(most: usize) -> Self {
        Self { pieces: RefCell::default(), most }
    }

    /// The piece at `key`, made when it is not here.
    pub(super) fn get<E>(
        &self,
        key: u64,
        make: impl FnOnce() -> Result<Vec<u8>, E>,
    ) -> Result<Rc<[u8]>, E> {
        let place = self.pieces.borrow().iter().position(|(known, _)| *known == key);
        let piece = match place {
            Some(place) => self.pieces.borrow_mut().remove(place).1,
            None => make()?.into(),
        };
        let mut pieces = self.pieces.borrow_mut();
        pieces.insert(0, (key, Rc::clone(&piece)));
        pieces.truncate(self.most);
        Ok(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_pieces_stay() {
        let cache = Cache::new(2);
        let mut made = Vec::new();
        for key in [1, 2, 1, 3, 1, 2] {
            let piece: Result<_, ()> = cache.get(key, || {
                made.push(key);
                Ok(vec![u8::try_from(key).unwrap()])
            });
            assert_eq!(u64::from(piece.unwrap()[0]), key);
        }
        assert_eq!(made, [1, 2, 3, 2]);
    }
}
