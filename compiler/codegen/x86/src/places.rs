//! Where values are at the borders of loops: what jumps to one place has its values in the same places.

use crate::code::Code;
use crate::loops::{Done, Stop};
use crate::registers::{Home, Registers};
use dlc_kernel::Var;
use std::collections::BTreeMap;

/// The places of all values at one point of the code.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    held: BTreeMap<Var, usize>,
    homes: BTreeMap<Var, Home>,
}

impl Registers {
    /// Where everything is now.
    pub(crate) fn places(&self) -> Places {
        Places { held: self.held.clone(), homes: self.homes.clone() }
    }

    /// Everything is where it was at another point; nothing is emitted.
    pub(crate) fn resume(&mut self, places: &Places) {
        self.held.clone_from(&places.held);
        self.homes.clone_from(&places.homes);
    }

    /// Gives a value in a register a new content: that of another value, which ends.
    pub(crate) fn assign(&mut self, code: &mut Code, to: Var, from: Var) -> Done {
        let source = self.fetch(code, from)?;
        self.homes.remove(&to);
        match self.held.get(&to) {
            Some(&target) => {
                code.copy(target, source)?;
                self.end(from);
            }
            None => {
                self.homes.remove(&from);
                self.rename(from, to);
            }
        }
        Ok(())
    }

    /// Brings all values where they were, and into the first value of each pair the second one.
    ///
    /// Values that were there and have neither register nor home now are not used any more.
    pub(crate) fn arrive(&mut self, code: &mut Code, places: &Places, pairs: &[(Var, Var)]) -> Done {
        self.pinned.clear();
        let stays = |registers: &Registers, var: Var| registers.held.get(&var) == places.held.get(&var);
        let direct = pairs.iter().all(|&(to, _)| stays(self, to));
        if direct {
            for &(to, from) in pairs {
                self.pinned.clear();
                self.pinned.extend(pairs.iter().flat_map(|&(to, from)| [to, from]));
                let source = self.fetch(code, from)?;
                // Fetching may have taken the register of the target only if that was not pinned.
                code.copy(self.of(to)?, source)?;
            }
        } else {
            for &(_, from) in pairs {
                if self.held.contains_key(&from) {
                    self.send_home(code, from)?;
                }
            }
        }
        let others: Vec<(Var, usize)> = places
            .held
            .iter()
            .filter(|(var, _)| !pairs.iter().any(|pair| pair.0 == **var))
            .map(|(var, register)| (*var, *register))
            .filter(|&(var, _)| !stays(self, var))
            .collect();
        for &(var, _) in &others {
            if self.held.contains_key(&var) {
                self.send_home(code, var)?;
            }
        }
        for &(var, register) in &others {
            if let Some(&home) = self.homes.get(&var) {
                self.load(code, register, home)?;
            }
        }
        if !direct {
            for &(to, from) in pairs {
                let register = *places.held.get(&to).ok_or(Stop::Unsupported)?;
                let home = *self.homes.get(&from).ok_or(Stop::Unsupported)?;
                self.load(code, register, home)?;
            }
        }
        // Homes that values got since are given up, but for those of values that had no register.
        self.resume(places);
        Ok(())
    }
}
