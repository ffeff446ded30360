//! Which instructions this machine has, of those that libraries are compiled for.

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

/// Extensions that this machine has, by the bits of [`FEATURES`].
pub(crate) fn machine() -> u64 {
    FEATURES.iter().enumerate().filter(|(_, name)| has(name)).fold(0, |mask, (bit, _)| mask | 1 << bit)
}

/// Names of the extensions among these bits, in the order of [`FEATURES`], that this machine lacks.
pub(crate) fn missing(features: u64) -> Vec<String> {
    let lacked = features & !machine();
    let bits = (0..u64::BITS).filter(|bit| lacked >> bit & 1 == 1);
    let name =
        |bit: u32| FEATURES.get(bit as usize).copied().unwrap_or("an extension unknown to this runtime");
    bits.map(|bit| name(bit).trim_start_matches("has_").to_owned()).collect()
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
