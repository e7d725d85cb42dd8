//! Random choices as a list of numbers, so that what is made of them gets simpler as the list does.

use proptest::prelude::*;

/// Numbers that say which way to go; without any left it is always the first.
#[derive(Debug)]
pub(super) struct Tape<'a> {
    left: &'a [u32],
}

impl<'a> Tape<'a> {
    pub(super) fn new(numbers: &'a [u32]) -> Self {
        Tape { left: numbers }
    }

    /// A number below `end`.
    pub(super) fn below(&mut self, end: usize) -> usize {
        match self.left.split_first() {
            Some((first, rest)) => {
                self.left = rest;
                *first as usize % end
            }
            None => 0,
        }
    }

    pub(super) fn one<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }

    /// True once in so many.
    pub(super) fn rarely(&mut self, in_all: usize) -> bool {
        self.below(in_all) == in_all - 1
    }
}

pub(super) fn choices(most: usize) -> impl Strategy<Value = Vec<u32>> {
    proptest::collection::vec(any::<u32>(), 0..most)
}
