//! Making labels equal: classes are bound, and split where the other side is finer.

use super::label::{ClassId, Classes, Label};
use super::reason::Reason;
use dlc_types::Dim;
use std::collections::VecDeque;

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
}
