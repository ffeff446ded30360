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
use std::collections::VecDeque;

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
struct Class {
    size: Dim,
    /// What it turned out to be.
    bound: Option<Label>,
    /// Why its extent must stay.
    blocked: Option<Reason>,
}

/// All classes of a model.
#[derive(Clone, Debug, Default)]
pub(super) struct Classes {
    all: IndexVec<ClassId, Class>,
}

/// `a / b`, where that is a whole extent.
fn quotient(a: Dim, b: Dim) -> Option<Dim> {
    let whole = |a: usize, b: usize| (b > 0 && a.is_multiple_of(b)).then(|| a / b);
    match (a, b) {
        (Dim::Fixed(a), Dim::Fixed(b)) => whole(a, b).map(Dim::Fixed),
        (Dim::Batch(a), Dim::Batch(b)) => whole(a, b).map(Dim::Fixed),
        (Dim::Batch(a), Dim::Fixed(b)) => whole(a, b).map(Dim::Batch),
        (Dim::Fixed(_), Dim::Batch(_)) => None,
    }
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

    /// Makes two labels of one extent the same.
    pub(super) fn unify(&mut self, a: &Label, b: &Label) {
        let (a, b) = (self.head(a), self.head(b));
        match (a, b) {
            (Label::Class(a), Label::Class(b)) if a == b => {}
            // The older one stands for both.
            (Label::Class(a), Label::Class(b)) => self.bind(a.max(b), Label::Class(a.min(b))),
            (Label::Class(class), other) | (other, Label::Class(class)) => self.bind(class, other),
            (Label::Product(a), Label::Product(b)) => self.unify_products(a, b),
            (Label::Sum(a), Label::Sum(b)) => self.unify_sums(a, b),
            (Label::Sum(parts), product) | (product, Label::Sum(parts)) => {
                self.unify_sums(parts, vec![product]);
            }
        }
    }

    fn bind(&mut self, class: ClassId, to: Label) {
        if self.leaves(&to).contains(&class) || self.size(&to) != Some(self.all[class].size) {
            self.block(&Label::Class(class), &Reason::Tangled);
            self.block(&to, &Reason::Tangled);
            return;
        }
        if let Some(reason) = self.all[class].blocked.clone() {
            self.block(&to, &reason);
        }
        self.all[class].bound = Some(to);
    }

    fn unify_sums(&mut self, a: Vec<Label>, b: Vec<Label>) {
        let (mut a, mut b) = (VecDeque::from(a), VecDeque::from(b));
        while let (Some(one), Some(other)) = (a.pop_front(), b.pop_front()) {
            let extents = (self.size(&one).and_then(Dim::fixed), self.size(&other).and_then(Dim::fixed));
            if let (Some(left), Some(right)) = extents {
                if left == right {
                    self.unify(&one, &other);
                    continue;
                }
                let of_a = left > right;
                let (large, partner) = if of_a { (&one, &other) } else { (&other, &one) };
                if let Some((first, rest)) = self.split(large, left.min(right)) {
                    self.unify(&first, partner);
                    if of_a {
                        a.push_front(rest)
                    } else {
                        b.push_front(rest)
                    }
                    continue;
                }
            }
            a.extend([one, other]);
            a.extend(b.drain(..));
            a.iter().for_each(|label| self.block(label, &Reason::Tangled));
            return;
        }
    }

    fn unify_products(&mut self, a: Vec<Label>, b: Vec<Label>) {
        let (mut a, mut b) = (VecDeque::from(a), VecDeque::from(b));
        loop {
            let (one, other) = match (a.pop_front(), b.pop_front()) {
                (Some(one), Some(other)) => (one, other),
                // Reading what is bound meanwhile, a side may end with factors of size 1.
                (one, other) => {
                    a.extend(b.drain(..));
                    a.extend(one.into_iter().chain(other));
                    a.iter().for_each(|label| self.block(label, &Reason::Tangled));
                    return;
                }
            };
            let (Some(left), Some(right)) = (self.size(&one), self.size(&other)) else { return };
            if left == right {
                self.unify(&one, &other);
                if a.is_empty() && b.is_empty() {
                    return;
                }
                continue;
            }
            let of_a = quotient(left, right).is_some();
            let (large, partner, extent) = if of_a { (&one, &other, right) } else { (&other, &one, left) };
            if let Some((outer, inner)) = self.factor(large, extent) {
                self.unify(&outer, partner);
                if of_a {
                    a.push_front(inner)
                } else {
                    b.push_front(inner)
                }
                continue;
            }
            a.extend([one, other]);
            a.extend(b.drain(..));
            a.iter().for_each(|label| self.block(label, &Reason::Tangled));
            return;
        }
    }

    /// An unbound class as a product of which the outer factor has this extent.
    fn factor(&mut self, label: &Label, outer: Dim) -> Option<(Label, Label)> {
        let Label::Class(id) = self.head(label) else { return None };
        let inner = quotient(self.all[id].size, outer)?;
        let (outer, inner) = (self.part(id, outer), self.part(id, inner));
        self.all[id].bound = Some(Label::Product(vec![outer.clone(), inner.clone()]));
        Some((outer, inner))
    }

    /// A class that is blocked where another one is.
    fn part(&mut self, of: ClassId, size: Dim) -> Label {
        let reason = self.all[of].blocked.clone();
        match reason {
            Some(reason) => self.fixed(size, reason),
            None => self.fresh(size),
        }
    }

    /// The label in two parts, the first of that extent; `None` where a part would cut through a factor.
    pub(super) fn split(&mut self, label: &Label, at: usize) -> Option<(Label, Label)> {
        match self.head(label) {
            Label::Class(id) => {
                let rest = self.all[id].size.fixed()?.checked_sub(at).filter(|&rest| rest > 0 && at > 0)?;
                let (first, rest) = (self.part(id, Dim::Fixed(at)), self.part(id, Dim::Fixed(rest)));
                self.all[id].bound = Some(Label::Sum(vec![first.clone(), rest.clone()]));
                Some((first, rest))
            }
            Label::Sum(parts) => {
                let mut before = 0;
                for (number, part) in parts.iter().enumerate() {
                    let size = self.size(part)?.fixed()?;
                    if before == at {
                        return Some((
                            Label::Sum(parts[..number].to_vec()),
                            Label::Sum(parts[number..].to_vec()),
                        ));
                    }
                    if before + size > at {
                        let (first, rest) = self.split(part, at - before)?;
                        let first = parts[..number].iter().cloned().chain([first]).collect();
                        let rest = [rest].into_iter().chain(parts[number + 1..].iter().cloned()).collect();
                        return Some((Label::Sum(first), Label::Sum(rest)));
                    }
                    before += size;
                }
                None
            }
            Label::Product(factors) => {
                let (first, inner) = factors.split_first()?;
                let size = self.size(&Label::Product(inner.to_vec()))?.fixed()?;
                if size == 0 || !at.is_multiple_of(size) {
                    return None;
                }
                let (first, rest) = self.split(first, at / size)?;
                let product =
                    |outer: Label| Label::Product([outer].into_iter().chain(inner.iter().cloned()).collect());
                Some((product(first), product(rest)))
            }
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
