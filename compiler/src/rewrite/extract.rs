//! Extraction: one term for every class that is needed, so that the whole costs little, a class that
//! several users share counted once.
//!
//! Two starts are made: greedily from the leaves up, where every class remembers the *set* of classes that
//! its choice needs (so sharing below it counts once), and the term that was there first. The cheaper start is
//! then improved: every term of every class in use is tried in place of the chosen one and kept if the
//! whole gets cheaper. Where there are few combinations, all are tried. A choice that runs in a circle is
//! never taken. The result costs at most what the region cost before.
//!
//! The set-based start is the "faster greedy DAG" of the extraction gym,
//! <https://github.com/egraphs-good/extraction-gym>.

mod set;

use super::cost::cost;
use super::facts::Facts;
use super::term::Term;
use super::terms::{Class, Terms};
use set::Set;
use std::collections::BTreeMap;

/// Improvements of a tenth of a nanosecond are ties.
const LEAST_GAIN: f64 = 0.1;
/// Up to so many combinations of choices, all are tried.
const EXHAUSTIVE: usize = 2048;
/// Rounds over all classes that the improvement makes at most.
const ROUNDS: usize = 6;

/// The chosen terms, operands before users, and costs before and after.
pub(super) struct Extraction {
    pub(super) terms: Vec<(Class, Term)>,
    pub(super) cost_before: f64,
    pub(super) cost_after: f64,
}

/// Chooses terms for the roots and all that they need. `None` if no choice without a circle is found.
pub(super) fn extract(terms: &Terms, roots: &[Class]) -> Option<Extraction> {
    let problem = Problem::new(terms, roots);
    let first = problem.first_made()?;
    let cost_before = problem.evaluate(&first)?;
    let mut best = (cost_before, first);
    if let Some(greedy) = problem.greedy()
        && let Some(total) = problem.evaluate(&greedy)
        && total < best.0
    {
        best = (total, greedy);
    }
    let best = problem.improved(best.0, best.1);
    let (cost_after, choice) = problem.best_of_all(best.0, best.1);
    let order = problem.order(&choice)?;
    let chosen = order.into_iter().map(|class| {
        let place = &problem.classes[class];
        (place.class, place.choices[choice[class]].term.clone())
    });
    Some(Extraction { terms: chosen.collect(), cost_before, cost_after })
}

struct Choice<'a> {
    term: &'a Term,
    cost: f64,
    operands: Vec<usize>,
}

struct Place<'a> {
    class: Class,
    choices: Vec<Choice<'a>>,
}

/// Classes by small numbers, with the users of each.
struct Problem<'a> {
    classes: Vec<Place<'a>>,
    users: Vec<Vec<usize>>,
    roots: Vec<usize>,
}

impl<'a> Problem<'a> {
    fn new(terms: &'a Terms, roots: &[Class]) -> Problem<'a> {
        let mut numbers: BTreeMap<Class, usize> = BTreeMap::new();
        let mut found: Vec<Class> = Vec::new();
        let mut number_of = |class: Class, found: &mut Vec<Class>| {
            let class = terms.graph.find(class);
            *numbers.entry(class).or_insert_with(|| {
                found.push(class);
                found.len() - 1
            })
        };
        let roots = roots.iter().map(|&root| number_of(root, &mut found)).collect();
        let mut classes = Vec::new();
        while classes.len() < found.len() {
            let class = found[classes.len()];
            let mut choices: Vec<Choice> = Vec::new();
            for term in &terms.graph[class].nodes {
                let facts: Vec<&Facts> = term.operands.iter().map(|&operand| terms.facts(operand)).collect();
                let operands = term.operands.iter().map(|&operand| number_of(operand, &mut found)).collect();
                choices.push(Choice { term, cost: cost(term, &facts), operands });
            }
            // What was there first is tried first, and kept at equal cost.
            choices.sort_by_key(|choice| choice.term.serial);
            classes.push(Place { class, choices });
        }
        let mut users = vec![Vec::new(); classes.len()];
        for (user, place) in classes.iter().enumerate() {
            for choice in &place.choices {
                for &operand in &choice.operands {
                    if users[operand].last() != Some(&user) {
                        users[operand].push(user);
                    }
                }
            }
        }
        Problem { classes, users, roots }
    }

    /// For every class the term that was made first of those whose operands have a choice already, so
    /// there is no circle: what the region was before any rule.
    fn first_made(&self) -> Option<Vec<usize>> {
        let mut order: Vec<(u32, usize, usize)> = Vec::new();
        for (class, place) in self.classes.iter().enumerate() {
            for (position, choice) in place.choices.iter().enumerate() {
                order.push((choice.term.serial, class, position));
            }
        }
        order.sort_unstable();
        let mut chosen: Vec<Option<usize>> = vec![None; self.classes.len()];
        loop {
            let mut found = false;
            for &(_, class, position) in &order {
                let operands = &self.classes[class].choices[position].operands;
                if chosen[class].is_none() && operands.iter().all(|&operand| chosen[operand].is_some()) {
                    chosen[class] = Some(position);
                    found = true;
                }
            }
            if !found {
                return chosen.into_iter().collect();
            }
        }
    }

    /// The classes that the roots need, operands first; `None` for a circle.
    fn order(&self, choice: &[usize]) -> Option<Vec<usize>> {
        const OPEN: u8 = 1;
        const DONE: u8 = 2;
        let mut state = vec![0_u8; self.classes.len()];
        let mut order = Vec::new();
        let mut stack: Vec<(usize, usize)> = Vec::new();
        for &root in &self.roots {
            if state[root] == 0 {
                state[root] = OPEN;
                stack.push((root, 0));
            }
            while let Some((class, next)) = stack.last_mut() {
                let operands = &self.classes[*class].choices[choice[*class]].operands;
                let Some(&operand) = operands.get(*next) else {
                    state[*class] = DONE;
                    order.push(*class);
                    stack.pop();
                    continue;
                };
                *next += 1;
                match state[operand] {
                    OPEN => return None,
                    DONE => {}
                    _ => {
                        state[operand] = OPEN;
                        stack.push((operand, 0));
                    }
                }
            }
        }
        Some(order)
    }

    /// The cost of all that the roots need, each class once.
    fn evaluate(&self, choice: &[usize]) -> Option<f64> {
        let order = self.order(choice)?;
        Some(order.into_iter().map(|class| self.classes[class].choices[choice[class]].cost).sum())
    }

    /// From the leaves up, with sets.
    fn greedy(&self) -> Option<Vec<usize>> {
        let count = self.classes.len();
        let mut best: Vec<Option<(f64, usize, Set)>> = vec![None; count];
        let mut own = vec![0.0; count];
        let mut queued = vec![true; count];
        let mut queue: std::collections::VecDeque<usize> = (0..count).rev().collect();
        // A bound on re-evaluations, far above what is seen; the improvement makes up for the rest.
        let mut left = 40 * count;
        while let Some(class) = queue.pop_front()
            && left > 0
        {
            left -= 1;
            queued[class] = false;
            let mut changed = false;
            for (position, candidate) in self.classes[class].choices.iter().enumerate() {
                let Some(set) = needed(candidate, class, count, &best) else { continue };
                let total = candidate.cost + set.sum(&own, class);
                if best[class].as_ref().is_none_or(|(known, ..)| total < known - LEAST_GAIN * 1e-3) {
                    own[class] = candidate.cost;
                    best[class] = Some((total, position, set));
                    changed = true;
                }
            }
            if changed {
                for &user in &self.users[class] {
                    if !std::mem::replace(&mut queued[user], true) {
                        queue.push_back(user);
                    }
                }
            }
        }
        best.into_iter().map(|known| known.map(|(_, position, _)| position)).collect()
    }

    /// Tries every combination, if there are few.
    fn best_of_all(&self, mut total: f64, mut best: Vec<usize>) -> (f64, Vec<usize>) {
        let open: Vec<usize> =
            (0..self.classes.len()).filter(|&class| self.classes[class].choices.len() > 1).collect();
        let combinations = open.iter().try_fold(1_usize, |product, &class| {
            product.checked_mul(self.classes[class].choices.len()).filter(|&product| product <= EXHAUSTIVE)
        });
        let Some(combinations) = combinations else { return (total, best) };
        let mut choice = vec![0; self.classes.len()];
        for combination in 0..combinations {
            let mut rest = combination;
            for &class in &open {
                choice[class] = rest % self.classes[class].choices.len();
                rest /= self.classes[class].choices.len();
            }
            if let Some(other) = self.evaluate(&choice)
                && other < total - LEAST_GAIN
            {
                total = other;
                best.clone_from(&choice);
            }
        }
        (total, best)
    }

    /// Tries every other term of every class in use.
    fn improved(&self, mut total: f64, mut choice: Vec<usize>) -> (f64, Vec<usize>) {
        for _ in 0..ROUNDS {
            let Some(order) = self.order(&choice) else { break };
            let before = total;
            for class in order.into_iter().rev() {
                for position in 0..self.classes[class].choices.len() {
                    let known = choice[class];
                    if position == known {
                        continue;
                    }
                    choice[class] = position;
                    match self.evaluate(&choice) {
                        Some(other) if other < total - LEAST_GAIN => total = other,
                        _ => choice[class] = known,
                    }
                }
            }
            total = self.shared(total, &mut choice);
            if total >= before {
                break;
            }
        }
        (total, choice)
    }

    /// Tries every class that is not in use for all users at once that have a term which reads it: what
    /// pays only where several share it is found by no single change.
    fn shared(&self, mut total: f64, choice: &mut Vec<usize>) -> f64 {
        let Some(order) = self.order(choice) else { return total };
        let mut used = vec![false; self.classes.len()];
        order.into_iter().for_each(|class| used[class] = true);
        for shared in 0..self.classes.len() {
            let users = self.users[shared].iter().filter(|&&user| used[user]);
            if used[shared] || users.clone().count() < 2 {
                continue;
            }
            let mut other = choice.clone();
            for &user in users {
                let reads = |choice: &Choice<'_>| choice.operands.contains(&shared);
                if let Some(position) = self.classes[user].choices.iter().position(reads) {
                    other[user] = position;
                }
            }
            if let Some(cost) = self.evaluate(&other)
                && cost < total - LEAST_GAIN
            {
                total = cost;
                *choice = other;
            }
        }
        total
    }
}

/// The classes that a choice needs, its own among them; `None` if an operand has no choice yet or needs
/// this class.
fn needed(
    choice: &Choice<'_>,
    class: usize,
    count: usize,
    best: &[Option<(f64, usize, Set)>],
) -> Option<Set> {
    let mut set = Set::new(count);
    for &operand in &choice.operands {
        let (_, _, below) = best[operand].as_ref()?;
        if below.contains(class) {
            return None;
        }
        set.add_all(below);
    }
    set.add(class);
    Some(set)
}

#[cfg(test)]
mod tests;
