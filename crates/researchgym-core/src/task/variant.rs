//! A task under one of its variants.

use super::Task;

/// The name of the task as its file says it, without any change.
pub const DEFAULT_VARIANT: &str = "default";

/// A task has no variant of that name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("task `{task}` has no variant `{name}`; it has {known}")]
pub struct UnknownVariant {
    /// The task's id.
    pub task: String,
    /// What was asked for.
    pub name: String,
    /// The names that exist, for people.
    pub known: String,
}

impl Task {
    /// The task as the named variant changes it; `default` changes nothing.
    ///
    /// A variant's parameters replace single values, its baseline and limits replace the whole section.
    pub fn with_variant(&self, name: &str) -> Result<Task, UnknownVariant> {
        let mut task = self.clone();
        if name == DEFAULT_VARIANT {
            return Ok(task);
        }
        let Some(variant) = self.variants.get(name) else {
            let known: Vec<String> = std::iter::once(DEFAULT_VARIANT)
                .chain(self.variants.keys().map(String::as_str))
                .map(|name| format!("`{name}`"))
                .collect();
            return Err(UnknownVariant {
                task: self.id.clone(),
                name: name.to_owned(),
                known: known.join(", "),
            });
        };
        task.parameters.extend(variant.parameters.clone());
        if let Some(baseline) = &variant.baseline {
            task.baseline = Some(baseline.clone());
        }
        if let Some(limits) = &variant.limits {
            task.limits = limits.clone();
        }
        Ok(task)
    }
}
