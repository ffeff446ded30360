//! The messages of TensorFlow's `event.proto` and `summary.proto`, as far as they are written here. A `oneof` is a set
//! of optional fields, which has the same bytes.

/// `tensorflow.Event`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    pub(super) wall_time: f64,
    #[prost(int64, tag = "2")]
    pub(super) step: i64,
    #[prost(string, optional, tag = "3")]
    pub(super) file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    pub(super) summary: Option<Summary>,
    #[prost(message, optional, tag = "7")]
    pub(super) session_log: Option<SessionLog>,
}

/// `tensorflow.SessionLog`.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct SessionLog {
    #[prost(int32, tag = "1")]
    pub(super) status: i32,
}

impl SessionLog {
    /// A run begins, or begins again, at the event's step.
    pub(super) const START: i32 = 1;
}

/// `tensorflow.Summary`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Summary {
    #[prost(message, repeated, tag = "1")]
    pub(super) value: Vec<SummaryValue>,
}

/// `tensorflow.Summary.Value`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct SummaryValue {
    #[prost(string, tag = "1")]
    pub(super) tag: String,
    #[prost(float, optional, tag = "2")]
    pub(super) simple_value: Option<f32>,
    #[prost(message, optional, tag = "4")]
    pub(super) image: Option<Image>,
    #[prost(message, optional, tag = "5")]
    pub(super) histogram: Option<Histogram>,
}

/// `tensorflow.Summary.Image`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Image {
    #[prost(int32, tag = "1")]
    pub(super) height: i32,
    #[prost(int32, tag = "2")]
    pub(super) width: i32,
    /// 3 for RGB.
    #[prost(int32, tag = "3")]
    pub(super) colorspace: i32,
    #[prost(bytes = "vec", tag = "4")]
    pub(super) encoded_image_string: Vec<u8>,
}

/// `tensorflow.HistogramProto`: values up to each limit that no smaller limit takes.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Histogram {
    #[prost(double, tag = "1")]
    pub(super) min: f64,
    #[prost(double, tag = "2")]
    pub(super) max: f64,
    #[prost(double, tag = "3")]
    pub(super) num: f64,
    #[prost(double, tag = "4")]
    pub(super) sum: f64,
    #[prost(double, tag = "5")]
    pub(super) sum_squares: f64,
    #[prost(double, repeated, tag = "6")]
    pub(super) bucket_limit: Vec<f64>,
    #[prost(double, repeated, tag = "7")]
    pub(super) bucket: Vec<f64>,
}

impl Histogram {
    /// The finite values in even buckets.
    pub(super) fn of(values: &[f32]) -> Histogram {
        const BUCKETS: usize = 40;
        let finite = || values.iter().filter(|value| value.is_finite()).map(|&value| f64::from(value));
        let min = finite().fold(f64::INFINITY, f64::min);
        let max = finite().fold(f64::NEG_INFINITY, f64::max);
        if min > max {
            return Histogram { bucket_limit: vec![0.0], bucket: vec![0.0], ..Histogram::default() };
        }
        let width = if max > min { (max - min) / BUCKETS as f64 } else { 1.0 };
        let mut bucket = vec![0.0; BUCKETS];
        for value in finite() {
            // Within the buckets by the minimum; the maximum belongs to the last.
            bucket[(((value - min) / width) as usize).min(BUCKETS - 1)] += 1.0;
        }
        Histogram {
            min,
            max,
            num: finite().count() as f64,
            sum: finite().sum(),
            sum_squares: finite().map(|value| value * value).sum(),
            bucket_limit: (1..=BUCKETS).map(|limit| min + width * limit as f64).collect(),
            bucket,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_finite_value_is_in_a_bucket() {
        let histogram = Histogram::of(&[1.0, -1.0, 0.5, f32::NAN, f32::INFINITY]);
        assert_eq!((histogram.num, histogram.min, histogram.max, histogram.sum), (3.0, -1.0, 1.0, 0.5));
        assert_eq!(histogram.bucket.iter().sum::<f64>(), 3.0);
        assert_eq!(histogram.bucket_limit.last(), Some(&1.0));
        assert_eq!(Histogram::of(&[2.0; 3]).bucket[0], 3.0);
        assert_eq!(Histogram::of(&[f32::NAN]).num, 0.0);
    }
}
