//! What an axis is made of: classes of channels, in products and sums.
//!
//! A *class* is a set of channels that exist together in every tensor that has them. An axis is labelled by a term over
//! classes: a product (row-major, the outer factor first) where a reshape merged axes, a sum where a concatenation put
//! parts behind one another. Where two axes must agree, their labels are unified as types are in inference: an
//! unbound class is bound to what stands on the other side, and split where that is finer. What cannot be unified is
//! *blocked* on both sides. A blocked class keeps its extent, so a gap in this reasoning costs a chance to prune and
//! never correctness.

use super::reason::Reason;
use dlc_types::{Dim, IndexVec, define_index};

define_index!(
    /// A class of channels.
    ClassId,
    "c"
);

/// What an axis is made of.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Label {
    /// All channels of a class.
    Class(ClassId),
    /// Combinations of places, the first factor outermost; without factors an axis of size 1.
    Product(Vec<Label>),
    /// One behind the other.
    Sum(Vec<Label>),
}

/// What is known of a class.
#[derive(Clone, Debug)]
pub(super) struct Class {
    pub(super) size: Dim,
    /// What it turned out to be.
    pub(super) bound: Option<Label>,
    /// Why its extent must stay.
    pub(super) blocked: Option<Reason>,
}

/// All classes of a model.
#[derive(Clone, Debug, Default)]
pub(super) struct Classes {
    pub(super) all: IndexVec<ClassId, Class>,
}

impl Classes {
    /// A class of its own. The batch is blocked from the beginning.
    pub(super) fn fresh(&mut self, size: Dim) -> Label {
        let blocked = size.is_batch().then_some(Reason::Batch);
        Label::Class(self.all.push(Class { size, bound: None, blocked }))
    }

    /// A class that keeps its extent.
    pub(super) fn fixed(&mut self, size: Dim, reason: Reason) -> Label {
        Label::Class(self.all.push(Class { size, bound: None, blocked: Some(reason) }))
    }

    /// The label with what is bound put in at the top: an unbound class, a product of two factors or more (or none) that
    /// are no products, or a sum of two parts or more that are no sums.
    pub(super) fn head(&self, label: &Label) -> Label {
        match label {
            Label::Class(id) => match &self.all[*id].bound {
                Some(bound) => self.head(bound),
                None => label.clone(),
            },
            Label::Product(factors) => {
                let mut flat = Vec::new();
                for factor in factors {
                    match self.head(factor) {
                        Label::Product(inner) => flat.extend(inner),
                        one if self.size(&one) == Some(Dim::Fixed(1)) => {}
                        other => flat.push(other),
                    }
                }
                if flat.len() == 1 { flat.remove(0) } else { Label::Product(flat) }
            }
            Label::Sum(parts) => {
                let mut flat = Vec::new();
                for part in parts {
                    match self.head(part) {
                        Label::Sum(inner) => flat.extend(inner),
                        other => flat.push(other),
                    }
                }
                if flat.len() == 1 { flat.remove(0) } else { Label::Sum(flat) }
            }
        }
    }

    /// The extent of an axis; `None` beyond what can be counted.
    pub(super) fn size(&self, label: &Label) -> Option<Dim> {
        self.size_with(label, &|_, size| size)
    }

    /// The extent where classes have other ones.
    pub(super) fn size_with(&self, label: &Label, class: &impl Fn(ClassId, Dim) -> Dim) -> Option<Dim> {
        match label {
            Label::Class(id) => match &self.all[*id].bound {
                Some(bound) => self.size_with(bound, class),
                None => Some(class(*id, self.all[*id].size)),
            },
            Label::Product(factors) => factors
                .iter()
                .try_fold(Dim::Fixed(1), |product, factor| product.times(self.size_with(factor, class)?)),
            Label::Sum(parts) if parts.len() == 1 => self.size_with(&parts[0], class),
            Label::Sum(parts) => {
                let mut sum = 0usize;
                for part in parts {
                    sum = sum.checked_add(self.size_with(part, class)?.fixed()?)?;
                }
                Some(Dim::Fixed(sum))
            }
        }
    }

    /// The unbound classes of a label, each once, in order.
    pub(super) fn leaves(&self, label: &Label) -> Vec<ClassId> {
        let mut found = Vec::new();
        self.collect(label, &mut found);
        found
    }

    fn collect(&self, label: &Label, found: &mut Vec<ClassId>) {
        match label {
            Label::Class(id) => match &self.all[*id].bound {
                Some(bound) => self.collect(bound, found),
                None if found.contains(id) => {}
                None => found.push(*id),
            },
            Label::Product(inner) | Label::Sum(inner) => {
                inner.iter().for_each(|label| self.collect(label, found));
            }
        }
    }

    /// Why a class keeps its extent, if it must.
    pub(super) fn blocked(&self, id: ClassId) -> Option<&Reason> {
        self.all[id].blocked.as_ref()
    }

    /// The extent of a class.
    pub(super) fn extent(&self, id: ClassId) -> Dim {
        self.all[id].size
    }

    /// The classes that are bound to nothing, in order.
    pub(super) fn unbound(&self) -> impl Iterator<Item = ClassId> {
        self.all.iter().filter(|(_, class)| class.bound.is_none()).map(|(id, _)| id)
    }

    /// Keeps the extent of a class.
    pub(super) fn block_class(&mut self, id: ClassId, reason: Reason) {
        self.all[id].blocked.get_or_insert(reason);
    }

    /// Keeps the extent of all classes in a label; the first reason is the one that is told.
    pub(super) fn block(&mut self, label: &Label, reason: &Reason) {
        for id in self.leaves(label) {
            self.all[id].blocked.get_or_insert_with(|| reason.clone());
        }
    }

    /// Where a boundary between elements of an axis comes to lie when classes have other extents; `None` for a place
    /// inside of a class that loses channels.
    pub(super) fn boundary(
        &self,
        label: &Label,
        at: usize,
        class: &impl Fn(ClassId, Dim) -> Dim,
    ) -> Option<usize> {
        let before = self.size(label)?.fixed()?;
        let after = self.size_with(label, class)?.fixed()?;
        if at == 0 || at == before || before == after {
            return Some(if at == before { after } else { at });
        }
        match self.head(label) {
            Label::Class(_) => None,
            Label::Sum(parts) => {
                let (mut old, mut new) = (0, 0);
                for part in &parts {
                    let size = self.size(part)?.fixed()?;
                    if at <= old + size {
                        return Some(new + self.boundary(part, at - old, class)?);
                    }
                    old += size;
                    new += self.size_with(part, class)?.fixed()?;
                }
                None
            }
            Label::Product(factors) => {
                let (first, inner) = factors.split_first()?;
                let inner = Label::Product(inner.to_vec());
                let size = self.size(&inner)?.fixed().filter(|&size| size > 0 && at.is_multiple_of(size))?;
                Some(self.boundary(first, at / size, class)? * self.size_with(&inner, class)?.fixed()?)
            }
        }
    }

    /// For each element of an axis, which channel of the class it belongs to.
    pub(super) fn channels(&self, label: &Label, class: ClassId) -> Vec<Option<usize>> {
        match self.head(label) {
            Label::Class(id) => {
                let size = self.all[id].size.fixed().unwrap_or(0);
                (0..size).map(|channel| (id == class).then_some(channel)).collect()
            }
            Label::Sum(parts) => parts.iter().flat_map(|part| self.channels(part, class)).collect(),
            Label::Product(factors) => factors.iter().fold(vec![None], |outer, factor| {
                let inner = self.channels(factor, class);
                outer.iter().flat_map(|&out| inner.iter().map(move |&own| out.or(own))).collect()
            }),
        }
    }

    /// For each element of an axis, whether it stays when of some classes some channels stay.
    pub(super) fn kept(&self, label: &Label, stays: &impl Fn(ClassId, usize) -> bool) -> Vec<bool> {
        match self.head(label) {
            Label::Class(id) => {
                let size = self.all[id].size.fixed().unwrap_or(0);
                (0..size).map(|channel| stays(id, channel)).collect()
            }
            Label::Sum(parts) => parts.iter().flat_map(|part| self.kept(part, stays)).collect(),
            Label::Product(factors) => factors.iter().fold(vec![true], |outer, factor| {
                let inner = self.kept(factor, stays);
                outer.iter().flat_map(|&out| inner.iter().map(move |&own| out && own)).collect()
            }),
        }
    }

    /// As text: `c3`, `c1*c2`, `(c1 | c2)`.
    pub(super) fn text(&self, label: &Label) -> String {
        let join = |inner: &[Label], by: &str| {
            inner.iter().map(|label| self.text(label)).collect::<Vec<_>>().join(by)
        };
        match self.head(label) {
            Label::Class(id) if self.all[id].blocked.is_some() => self.all[id].size.to_string(),
            Label::Class(id) => id.to_string(),
            Label::Product(factors) if factors.is_empty() => "1".to_owned(),
            Label::Product(factors) => join(&factors, "*"),
            Label::Sum(parts) => format!("({})", join(&parts, " | ")),
        }
    }
}
