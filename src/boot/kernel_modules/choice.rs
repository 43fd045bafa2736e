//! From what is wanted to all that is loaded, in order.

use std::collections::{BTreeMap, BTreeSet};

use super::lists::{Lists, Name, Path};
use super::order::{After, order};
use super::{Group, KernelModulesError, Purpose};

/// An installer loads about a hundred.
const NEEDED_LIMIT: usize = 2048;
/// How much of a circle is shown.
const SHOWN_MODULES: usize = 8;

/// What is loaded, and what of the wanted is not.
pub(super) struct Choice<'t> {
    pub(super) paths: Vec<Path<'t>>,
    pub(super) built_in: Vec<&'static str>,
    pub(super) missing: Vec<&'static str>,
    pub(super) served: BTreeSet<Purpose>,
}

/// Chooses by the lists alone.
pub(super) fn choose<'t>(
    lists: &Lists<'t>,
    wanted: &[Group],
) -> Result<Choice<'t>, KernelModulesError> {
    let mut needed = Needed::default();
    let (mut built_in, mut missing, mut served) = (Vec::new(), Vec::new(), BTreeSet::new());
    for (purpose, text) in wanted
        .iter()
        .flat_map(|group| group.modules.iter().map(move |module| (group.purpose, *module)))
    {
        let name = Name::new(text);
        if lists.have(&name) {
            needed.add_with_needs(lists, name)?;
        } else if lists.have_built_in(&name) {
            built_in.push(text);
        } else {
            missing.push(text);
            continue;
        }
        served.insert(purpose);
    }
    let paths = needed.in_order(lists)?;
    Ok(Choice { paths, built_in, missing, served })
}

/// Modules that are loaded, numbered as they were found.
#[derive(Default)]
struct Needed {
    numbers: BTreeMap<Name, usize>,
    names: Vec<Name>,
    after: Vec<After>,
}

impl Needed {
    /// Adds a module, and whatever it leads to.
    fn add_with_needs(&mut self, lists: &Lists<'_>, name: Name) -> Result<(), KernelModulesError> {
        let mut todo = Vec::new();
        self.add(lists, name, &mut todo)?;
        while let Some(number) = todo.pop() {
            let name = self.names[number].clone();
            for needed in lists.needs(&name)? {
                let needed = self.add(lists, needed, &mut todo)?;
                self.after[number].needs.insert(needed);
            }
            let soft = lists.soft(&name);
            for liked in soft.before.iter().flat_map(|name| lists.answering(name)) {
                let liked = self.add(lists, liked, &mut todo)?;
                self.after[number].likes.insert(liked);
            }
            for later in soft.after.iter().flat_map(|name| lists.answering(name)) {
                let later = self.add(lists, later, &mut todo)?;
                self.after[later].likes.insert(number);
            }
        }
        Ok(())
    }

    /// The number of a module; a new one is also something to do.
    fn add(
        &mut self,
        lists: &Lists<'_>,
        name: Name,
        todo: &mut Vec<usize>,
    ) -> Result<usize, KernelModulesError> {
        if let Some(number) = self.numbers.get(&name) {
            return Ok(*number);
        }
        let number = self.names.len();
        if number == NEEDED_LIMIT {
            let limit = NEEDED_LIMIT;
            return Err(KernelModulesError::TooManyNeeded { path: lists.path(), limit });
        }
        self.numbers.insert(name.clone(), number);
        self.names.push(name);
        self.after.push(After::default());
        todo.push(number);
        Ok(number)
    }

    fn in_order<'t>(self, lists: &Lists<'t>) -> Result<Vec<Path<'t>>, KernelModulesError> {
        match order(&self.after) {
            Ok(order) => {
                Ok(order.iter().filter_map(|number| lists.find(&self.names[*number])).collect())
            }
            Err(circle) => {
                let names = circle.iter().take(SHOWN_MODULES).map(|number| &self.names[*number]);
                let modules = names.map(|name| name.clone().into_string()).collect();
                Err(KernelModulesError::Circle { path: lists.path(), modules })
            }
        }
    }
}
