//! The times of a day.

/// Times of a day, as seconds since midnight by the clocks.
#[derive(Debug, Clone)]
pub(super) enum Times {
    /// These, in order.
    List(Box<[u32]>),
    /// Every combination of these hours, minutes and seconds.
    Product {
        hours: u64,
        minutes: u64,
        seconds: u64,
    },
}

/// The least number from `from` on whose bit is set.
fn bit_from(bits: u64, from: u32) -> Option<u32> {
    let left = bits & u64::MAX.checked_shl(from)?;
    (left != 0).then(|| left.trailing_zeros())
}

impl Times {
    pub(super) fn list(mut times: Vec<u32>) -> Self {
        times.sort_unstable();
        times.dedup();
        Times::List(times.into())
    }

    /// The least time that is no less than `from`.
    pub(super) fn next(&self, from: u32) -> Option<u32> {
        match self {
            Times::List(times) => times
                .get(times.partition_point(|time| *time < from))
                .copied(),
            Times::Product {
                hours,
                minutes,
                seconds,
            } => {
                let (hour, minute, second) = (from / 3600, from / 60 % 60, from % 60);
                // The largest part that stays as it is decides; what is smaller than one that grows begins anew.
                let stays = |bits: &u64, part: u32| bit_from(*bits, part) == Some(part);
                let first = |bits: &u64| bit_from(*bits, 0);
                let time = |h: u32, m: u32, s: u32| h * 3600 + m * 60 + s;
                if stays(hours, hour) {
                    if stays(minutes, minute) {
                        if let Some(second) = bit_from(*seconds, second) {
                            return Some(time(hour, minute, second));
                        }
                    }
                    if let Some(minute) = bit_from(*minutes, minute + 1) {
                        return Some(time(hour, minute, first(seconds)?));
                    }
                }
                let hour = bit_from(*hours, hour + 1)?;
                Some(time(hour, first(minutes)?, first(seconds)?))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_product_steps_through_the_same_times_as_its_list() {
        let bits = |numbers: &[u32]| numbers.iter().fold(0u64, |bits, n| bits | 1 << n);
        for (hours, minutes, seconds) in [
            (vec![0, 23], vec![0, 59], vec![0, 59]),
            (vec![2], vec![30], vec![0]),
            (vec![7, 8], (0..60).collect(), vec![5]),
            (vec![1, 12], vec![1], (0..60).collect()),
        ] {
            let product = Times::Product {
                hours: bits(&hours),
                minutes: bits(&minutes),
                seconds: bits(&seconds),
            };
            let mut all = Vec::new();
            for h in &hours {
                for m in &minutes {
                    all.extend(seconds.iter().map(|s| h * 3600 + m * 60 + s));
                }
            }
            let list = Times::list(all);
            for from in 0..86_400 {
                assert_eq!(product.next(from), list.next(from), "{from}");
            }
            assert_eq!(product.next(86_400), None);
        }
    }
}
