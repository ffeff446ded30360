//! A tensor of any ONNX element type, at hand as plain bytes or strings in row-major order.
//!
//! Invariant: the data has exactly the elements that the dims say. Moving elements never looks at them: every
//! operator that moves is a list of places to read from.

use crate::element::Element;
use crate::error::{HostError, Result, invalid};
use crate::index::{Walk, count, strides};

/// The elements of a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// [`Element::width`] bytes per element, in the byte order of the machine.
    Bytes(Vec<u8>),
    /// Texts, for [`Element::String`] alone.
    Strings(Vec<String>),
}

/// A dense tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    element: Element,
    dims: Vec<usize>,
    data: Data,
}

impl Tensor {
    /// A tensor of bytes: [`Element::width`] per element, native byte order, row-major; types of less than eight bits have
    /// a byte per element, whose upper bits count for nothing.
    ///
    /// # Errors
    ///
    /// [`HostError::Invalid`] if the number of bytes is not what element and dims say.
    pub fn new(
        element: Element,
        dims: Vec<usize>,
        mut bytes: Vec<u8>,
    ) -> std::result::Result<Tensor, HostError> {
        let elements = count(&dims)?;
        if element == Element::String || elements.checked_mul(element.width()) != Some(bytes.len()) {
            return Err(invalid(format!("{} bytes are no {element} tensor of dims {dims:?}", bytes.len())));
        }
        if element.bits() < 8 {
            let mask = (1u8 << element.bits()) - 1;
            bytes.iter_mut().for_each(|byte| *byte &= mask);
        }
        Ok(Tensor { element, dims, data: Data::Bytes(bytes) })
    }

    /// A tensor of strings.
    ///
    /// # Errors
    ///
    /// [`HostError::Invalid`] if there are more or fewer strings than the dims say.
    pub fn of_strings(dims: Vec<usize>, strings: Vec<String>) -> std::result::Result<Tensor, HostError> {
        if count(&dims)? != strings.len() {
            return Err(invalid(format!("{} strings are no tensor of dims {dims:?}", strings.len())));
        }
        Ok(Tensor { element: Element::String, dims, data: Data::Strings(strings) })
    }

    /// All elements zero, false or the empty string.
    ///
    /// # Errors
    ///
    /// [`HostError::TooLarge`].
    pub fn zeros(element: Element, dims: Vec<usize>) -> std::result::Result<Tensor, HostError> {
        let elements = count(&dims)?;
        let data = if element == Element::String {
            let mut strings = reserve(elements, &dims)?;
            strings.resize(elements, String::new());
            Data::Strings(strings)
        } else {
            let mut bytes = reserve(elements * element.width(), &dims)?;
            bytes.resize(elements * element.width(), 0);
            Data::Bytes(bytes)
        };
        Ok(Tensor { element, dims, data })
    }

    /// What the elements are.
    pub fn element(&self) -> Element {
        self.element
    }

    /// Sizes of the axes; none for a scalar.
    pub fn dims(&self) -> &[usize] {
        &self.dims
    }

    /// The elements.
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        match &self.data {
            Data::Bytes(bytes) => bytes.len() / self.element.width().max(1),
            Data::Strings(strings) => strings.len(),
        }
    }

    /// Whether it has no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Element, dims and data.
    pub fn into_parts(self) -> (Element, Vec<usize>, Data) {
        (self.element, self.dims, self.data)
    }

    /// The bytes of a tensor that is none of strings.
    ///
    /// # Errors
    ///
    /// [`HostError::Invalid`] for strings.
    pub fn bytes(&self) -> std::result::Result<&[u8], HostError> {
        match &self.data {
            Data::Bytes(bytes) => Ok(bytes),
            Data::Strings(_) => Err(invalid("a tensor of strings stands where numbers should")),
        }
    }

    /// The strings of a tensor of strings.
    ///
    /// # Errors
    ///
    /// [`HostError::Invalid`] for all other tensors.
    pub fn strings(&self) -> std::result::Result<&[String], HostError> {
        match &self.data {
            Data::Strings(strings) => Ok(strings),
            Data::Bytes(_) => {
                Err(invalid(format!("a tensor of {} stands where strings should", self.element)))
            }
        }
    }

    /// The same elements under other dims.
    pub(crate) fn reshaped(&self, dims: Vec<usize>) -> Result<Tensor> {
        if count(&dims)? != self.len() {
            return Err(invalid(format!("{:?} has not as many elements as {dims:?}", self.dims)));
        }
        Ok(Tensor { element: self.element, dims, data: self.data.clone() })
    }

    /// The same bytes as another type of the same width.
    pub(crate) fn reinterpreted(&self, element: Element) -> Result<Tensor> {
        Tensor::new(element, self.dims.clone(), self.bytes()?.to_vec())
    }

    /// A tensor of the elements at `places`, in their order.
    pub(crate) fn pick(&self, dims: Vec<usize>, places: impl Iterator<Item = usize>) -> Result<Tensor> {
        self.pick_or(dims, places.map(Some), self)
    }

    /// As [`Tensor::pick`], with the first element of `fill` where there is no place.
    pub(crate) fn pick_or(
        &self,
        dims: Vec<usize>,
        places: impl Iterator<Item = Option<usize>>,
        fill: &Tensor,
    ) -> Result<Tensor> {
        let elements = count(&dims)?;
        let outside = || invalid(format!("a place is outside of dims {:?}", self.dims));
        let places = places.take(elements);
        let data = match (&self.data, &fill.data) {
            (Data::Bytes(bytes), Data::Bytes(fill)) => {
                let width = self.element.width();
                let mut picked = reserve(elements * width, &dims)?;
                for place in places {
                    let (from, place) = place.map_or((fill, 0), |place| (bytes, place));
                    let start = place.checked_mul(width).ok_or_else(outside)?;
                    let end = start.checked_add(width).ok_or_else(outside)?;
                    picked.extend_from_slice(from.get(start..end).ok_or_else(outside)?);
                }
                Data::Bytes(picked)
            }
            (Data::Strings(strings), Data::Strings(fill)) => {
                let mut picked = reserve(elements, &dims)?;
                for place in places {
                    let (from, place) = place.map_or((fill, 0), |place| (strings, place));
                    picked.push(from.get(place).ok_or_else(outside)?.clone());
                }
                Data::Strings(picked)
            }
            _ => return Err(invalid("strings and numbers do not mix")),
        };
        let tensor = Tensor { element: self.element, dims, data };
        if tensor.len() != elements {
            return Err(invalid("a bug in dlc: fewer places than elements"));
        }
        Ok(tensor)
    }

    /// A strided view of the elements, as a tensor of its own.
    pub(crate) fn view(&self, dims: Vec<usize>, steps: &[isize], offset: isize) -> Result<Tensor> {
        let places = Walk::new(&dims, steps, offset)?;
        self.pick(dims.clone(), places)
    }

    /// The elements from `begin` to `end` along an axis.
    pub(crate) fn part(&self, axis: usize, begin: usize, end: usize) -> Result<Tensor> {
        let mut dims = self.dims.clone();
        let own = strides(&self.dims);
        dims[axis] = end.saturating_sub(begin);
        self.view(dims, &own, own[axis] * begin as isize)
    }

    /// Writes element `from` of `source` to place `to`.
    pub(crate) fn put(&mut self, to: usize, source: &Tensor, from: usize) -> Result<()> {
        let outside = || invalid("a place is outside of its tensor");
        match (&mut self.data, &source.data) {
            (Data::Bytes(bytes), Data::Bytes(source)) => {
                let width = self.element.width();
                let target = bytes.chunks_exact_mut(width).nth(to).ok_or_else(outside)?;
                target.copy_from_slice(source.chunks_exact(width).nth(from).ok_or_else(outside)?);
            }
            (Data::Strings(strings), Data::Strings(source)) => {
                source.get(from).ok_or_else(outside)?.clone_into(strings.get_mut(to).ok_or_else(outside)?);
            }
            _ => return Err(invalid("strings and numbers do not mix")),
        }
        Ok(())
    }
}

/// An empty vector with room, or an error where there is none.
pub(crate) fn reserve<T>(length: usize, dims: &[usize]) -> Result<Vec<T>> {
    let mut vector = Vec::new();
    vector.try_reserve_exact(length).map_err(|_| HostError::TooLarge { dims: dims.to_vec() })?;
    Ok(vector)
}
