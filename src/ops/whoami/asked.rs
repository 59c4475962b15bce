//! What is asked for: the function at hand, or one that there is not.

use super::{Outcome, Subject};
use crate::domain::image::ImageReference;
use crate::platform::lambda::Target;

/// What is asked for.
pub(super) struct Asked {
    /// The function and its alias.
    pub(super) target: Target,
    /// The function.
    pub(super) arn: String,
    /// An account: that of the credentials.
    pub(super) account: String,
    /// The name of an alias that there is not: made for this one run.
    pub(super) nowhere: String,
    /// Whose images are asked for.
    pub(super) images: Images,
}

/// Whose images are asked for.
pub(super) enum Images {
    /// A repository that nobody has.
    OfNobody,
    /// Those of the function.
    Of(ImageReference),
    /// The function is a package.
    None,
}

impl Asked {
    pub(super) fn of(found: &Outcome) -> Self {
        let nowhere = format!("squad-whoami-{}", ulid::Ulid::generate());
        let target = match &found.subject {
            Some(subject) => subject.function.clone(),
            None => Target {
                function: nowhere.clone(),
                alias: "live".to_owned(),
            },
        };
        let images = match &found.subject {
            None => Images::OfNobody,
            Some(Subject { image: None, .. }) => Images::None,
            Some(Subject {
                image: Some(image), ..
            }) => Images::Of(image.clone()),
        };
        let region = found.region.as_deref().unwrap_or_default();
        let arn = format!(
            "arn:{}:lambda:{region}:{}:function:{}",
            found.identity.arn.split(':').nth(1).unwrap_or("aws"),
            found.identity.account,
            target.function
        );
        Self {
            target,
            arn,
            account: found.identity.account.clone(),
            nowhere,
            images,
        }
    }
}
