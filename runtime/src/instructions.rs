//! Whether this machine has the instructions that a library was compiled for.

use dlc_abi::FEATURES;

/// Whether this machine has an extension of [`FEATURES`].
#[cfg(target_arch = "x86_64")]
fn has(feature: &str) -> bool {
    match feature {
        "has_sse3" => is_x86_feature_detected!("sse3"),
        "has_ssse3" => is_x86_feature_detected!("ssse3"),
        "has_sse41" => is_x86_feature_detected!("sse4.1"),
        "has_sse42" => is_x86_feature_detected!("sse4.2"),
        "has_popcnt" => is_x86_feature_detected!("popcnt"),
        "has_cmpxchg16b" => is_x86_feature_detected!("cmpxchg16b"),
        "has_avx" => is_x86_feature_detected!("avx"),
        "has_avx2" => is_x86_feature_detected!("avx2"),
        "has_fma" => is_x86_feature_detected!("fma"),
        "has_bmi1" => is_x86_feature_detected!("bmi1"),
        "has_bmi2" => is_x86_feature_detected!("bmi2"),
        "has_lzcnt" => is_x86_feature_detected!("lzcnt"),
        "has_avx512f" => is_x86_feature_detected!("avx512f"),
        "has_avx512bw" => is_x86_feature_detected!("avx512bw"),
        "has_avx512dq" => is_x86_feature_detected!("avx512dq"),
        "has_avx512vl" => is_x86_feature_detected!("avx512vl"),
        "has_avx512vbmi" => is_x86_feature_detected!("avx512vbmi"),
        "has_avx512bitalg" => is_x86_feature_detected!("avx512bitalg"),
        "has_avx512vnni" => is_x86_feature_detected!("avx512vnni"),
        "has_avx_vnni" => is_x86_feature_detected!("avxvnni"),
        _ => false,
    }
}

/// Other machines than x86-64 have none of its extensions.
#[cfg(not(target_arch = "x86_64"))]
fn has(_feature: &str) -> bool {
    false
}

/// All extensions of [`FEATURES`] that this machine has, one bit each.
pub(crate) fn machine_features() -> u64 {
    let bits = FEATURES.iter().enumerate().filter(|(_, feature)| has(feature));
    bits.fold(0, |mask, (bit, _)| mask | 1 << bit)
}

/// Extensions among these bits, in the order of [`FEATURES`], that this machine lacks.
pub(crate) fn missing(features: u64) -> Vec<String> {
    let bits = (0..u64::BITS).filter(|bit| features >> bit & 1 == 1);
    let names =
        bits.map(|bit| FEATURES.get(bit as usize).copied().unwrap_or("an extension unknown to this runtime"));
    names.filter(|name| !has(name)).map(|name| name.trim_start_matches("has_").to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_every_machine_of_its_kind_has_is_not_missing() {
        assert!(missing(0).is_empty());
        let unknown = missing(1 << 63);
        assert_eq!(unknown, ["an extension unknown to this runtime"]);
        #[cfg(target_arch = "x86_64")]
        for (bit, feature) in FEATURES.iter().enumerate() {
            // Every name is one that is asked for: a machine with AVX-512 has all but the last ones.
            let known = feature.starts_with("has_avx512vbmi") || feature.starts_with("has_avx512bitalg");
            let last = feature.ends_with("vnni");
            if is_x86_feature_detected!("avx512bw") && !known && !last {
                assert!(missing(1 << bit).is_empty(), "{feature}");
            }
        }
    }
}
