//! Changes of brightness and contrast: a chain of linear functions of a value and the picture's mean.

/// One link of the chain.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Link {
    /// `factor * value`
    Brightness(f32),
    /// `factor * (value - mean) + mean`, the mean as it is before this link.
    Contrast(f32),
}

/// The chain; empty where nothing changes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Light(Vec<Link>);

impl Light {
    pub(super) fn brighten(&mut self, factor: f64) {
        self.0.push(Link::Brightness(factor as f32));
    }

    pub(super) fn contrast(&mut self, factor: f64) {
        self.0.push(Link::Contrast(factor as f32));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether [`Light::apply`] looks at the mean.
    pub(crate) fn needs_mean(&self) -> bool {
        self.0.iter().any(|link| matches!(link, Link::Contrast(_)))
    }

    /// The value after the chain. `bounded` keeps it in 0..=1 after every link, as pictures are.
    pub(crate) fn apply(&self, mut value: f32, mut mean: f32, bounded: bool) -> f32 {
        for link in &self.0 {
            match link {
                Link::Brightness(factor) => {
                    value *= factor;
                    mean *= factor;
                }
                Link::Contrast(factor) => value = (value - mean) * factor + mean,
            }
            if bounded {
                value = value.clamp(0.0, 1.0);
            }
        }
        value
    }
}
