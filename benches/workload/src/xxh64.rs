//! XXH64, the 64-bit hash of the xxHash family, with seed 0.

const PRIMES: [u64; 5] = [
    0x9e37_79b1_85eb_ca87,
    0xc2b2_ae3d_27d4_eb4f,
    0x1656_67b1_9e37_79f9,
    0x85eb_ca77_c2b2_ae63,
    0x27d4_eb2f_1656_67c5,
];

/// The XXH64 of some bytes, with seed 0.
///
/// ```
/// assert_eq!(workload::xxh64(b"abc"), 0x44bc2cf5ad770999);
/// ```
pub fn xxh64(bytes: &[u8]) -> u64 {
    let mut rest = bytes;
    let mut hash = if bytes.len() < 32 {
        PRIMES[4]
    } else {
        take_stripes(&mut rest)
    };
    hash = hash.wrapping_add(bytes.len() as u64);
    while let Some((word, behind)) = rest.split_first_chunk() {
        hash ^= round(0, u64::from_le_bytes(*word));
        hash = hash.rotate_left(27).wrapping_mul(PRIMES[0]);
        hash = hash.wrapping_add(PRIMES[3]);
        rest = behind;
    }
    if let Some((half, behind)) = rest.split_first_chunk() {
        hash ^= u64::from(u32::from_le_bytes(*half)).wrapping_mul(PRIMES[0]);
        hash = hash.rotate_left(23).wrapping_mul(PRIMES[1]);
        hash = hash.wrapping_add(PRIMES[2]);
        rest = behind;
    }
    for byte in rest {
        hash ^= u64::from(*byte).wrapping_mul(PRIMES[4]);
        hash = hash.rotate_left(11).wrapping_mul(PRIMES[0]);
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(PRIMES[1]);
    hash = (hash ^ (hash >> 29)).wrapping_mul(PRIMES[2]);
    hash ^ (hash >> 32)
}

/// Takes all stripes of 32 bytes: four lanes, of which each gets every fourth word, become one hash.
fn take_stripes(rest: &mut &[u8]) -> u64 {
    let mut lanes = [
        PRIMES[0].wrapping_add(PRIMES[1]),
        PRIMES[1],
        0,
        0u64.wrapping_sub(PRIMES[0]),
    ];
    while rest.len() >= 32 {
        for lane in &mut lanes {
            if let Some((word, behind)) = rest.split_first_chunk() {
                *lane = round(*lane, u64::from_le_bytes(*word));
                *rest = behind;
            }
        }
    }
    let mut hash = 0u64;
    for (lane, bits) in lanes.iter().zip([1, 7, 12, 18]) {
        hash = hash.wrapping_add(lane.rotate_left(bits));
    }
    for lane in lanes {
        hash = (hash ^ round(0, lane)).wrapping_mul(PRIMES[0]);
        hash = hash.wrapping_add(PRIMES[3]);
    }
    hash
}

fn round(lane: u64, word: u64) -> u64 {
    lane.wrapping_add(word.wrapping_mul(PRIMES[1]))
        .rotate_left(31)
        .wrapping_mul(PRIMES[0])
}

#[cfg(test)]
mod tests {
    use super::xxh64;

    /// Lengths that end in every part of the function; values of the reference implementation.
    #[test]
    fn known_answers() {
        let bytes: Vec<u8> = (0..100).collect();
        let known = [
            (0, 0xef46_db37_51d8_e999),
            (1, 0xe934_a84a_db05_2768),
            (3, 0xe5c7_bb45_33bc_65dd),
            (4, 0xffce_d860_4453_cc1e),
            (7, 0x14cc_643f_630c_72d2),
            (8, 0x884a_1736_14b8_1b8d),
            (15, 0xa948_f5f0_f6ab_ac2d),
            (31, 0xc346_d2b5_9b4d_8ee1),
            (32, 0xcbf5_9c51_16ff_32b4),
            (33, 0x0c53_5d1a_cafb_8ead),
            (63, 0xe26a_a9e2_a95f_8e4f),
            (64, 0xf7c6_7301_db67_13f0),
            (77, 0x93f8_5c1b_6280_ead3),
            (100, 0x6ac1_e580_3216_6597),
        ];
        for (length, hash) in known {
            assert_eq!(xxh64(&bytes[..length]), hash, "of {length} bytes");
        }
    }
}
