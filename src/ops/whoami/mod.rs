//! `squad whoami`: which identity the environment's credentials are, and what it may do there.
//!
//! Asks only what changes nothing ([`probes`] and [`writes`] say how). Where no function is at hand, one that cannot exist is
//! asked for: a policy that names functions then says no.

mod asked;
mod needs;
mod probes;
mod writes;

use futures_util::future::join_all;

use crate::clients::aws::{Identity, Session, Source};
use crate::clients::store::Objects;
use crate::clock::Clock;
use crate::domain::image::ImageReference;
use crate::error::{self, Error};
use crate::platform::lambda::Target;
use asked::Asked;

/// What is asked about.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    /// The function and its alias.
    pub(crate) function: Target,
    /// The image that it is made from; none where it is a package.
    pub(crate) image: Option<ImageReference>,
}

/// What was found out.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    /// Who it is.
    pub(crate) identity: Identity,
    /// Where the credentials came from.
    pub(crate) source: Option<Source>,
    /// The region that is asked.
    pub(crate) region: Option<String>,
    /// The account that the org file pins.
    pub(crate) pinned: Option<String>,
    /// What was asked about; none where it was a function that does not exist.
    pub(crate) subject: Option<Subject>,
    /// What it may do; empty in another account than the pinned one, which is not asked.
    pub(crate) may: Vec<Permission>,
}

impl Outcome {
    /// Whether the credentials are of the account that the org file pins.
    pub(crate) fn is_pinned(&self) -> bool {
        self.pinned
            .as_ref()
            .is_none_or(|pinned| *pinned == self.identity.account)
    }
}

/// Whether something is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Permission {
    /// The IAM action, such as `lambda:UpdateAlias`.
    pub(crate) action: &'static str,
    /// What squad needs it for.
    pub(crate) why: &'static str,
    /// The commands that need it.
    pub(crate) commands: &'static [&'static str],
    /// Whether it is allowed; none when that could not be found out.
    pub(crate) allowed: Option<bool>,
    /// What AWS said, where it is not allowed or could not be found out.
    pub(crate) said: Option<String>,
}

impl Permission {
    /// What was found out about an action.
    fn new(action: &'static str, allowed: Option<bool>, said: Option<String>) -> Self {
        let (why, commands) = needs::of(action);
        Self {
            action,
            why,
            commands,
            allowed,
            said,
        }
    }

    /// It was not asked for: [`Self::said`] has the reason.
    pub(crate) fn is_unasked(&self) -> bool {
        let unasked = UNASKED.iter().chain(&UNASKED_OF_BUCKET);
        unasked
            .into_iter()
            .any(|(action, _)| *action == self.action)
    }
}

/// What cannot be asked for without doing it, where it is allowed.
const UNASKED: [(&str, &str); 3] = [
    ("lambda:CreateFunction", TO_ASK_IS_TO_DO),
    ("iam:PassRole", TO_ASK_IS_TO_DO),
    ("lambda:DeleteFunction", TO_ASK_IS_TO_DO),
];
const TO_ASK_IS_TO_DO: &str = "to ask is to do it";
/// The same, where the record lies in a bucket. A version that there is not is told of to whoever may list versions, which
/// squad needs nowhere: so the answer to who may read them is not known.
const UNASKED_OF_BUCKET: [(&str, &str); 2] = [
    ("s3:PutObject", TO_ASK_IS_TO_DO),
    ("s3:GetObjectVersion", "no answer tells it surely"),
];

/// Finds out who it is. What it may do is a question of its own ([`ask`]).
pub(crate) async fn identify(
    session: &Session,
    subject: Option<Subject>,
) -> error::Result<Outcome> {
    Ok(Outcome {
        identity: session.identity().await?,
        source: session.source().await,
        region: session.region().map(str::to_owned),
        pinned: session.account().map(str::to_owned),
        subject,
        may: Vec::new(),
    })
}

/// Finds out what it may do, all calls beside each other at the pace of those who only look.
pub(crate) async fn ask(
    session: &Session,
    objects: Option<&Objects>,
    found: &mut Outcome,
    clock: &dyn Clock,
) {
    let bucket = objects.filter(|objects| objects.is_bucket());
    let asked = Asked::of(found);
    let probes = probes::all(session, bucket, &asked, clock.now().as_second()).await;
    let mut may: Vec<Permission> = join_all(probes).await.into_iter().flatten().collect();
    let of_bucket = bucket.into_iter().flat_map(|_| UNASKED_OF_BUCKET);
    let unasked = UNASKED.into_iter().chain(of_bucket);
    may.extend(unasked.map(|(action, why)| Permission::new(action, None, Some(why.to_owned()))));
    may.sort_by_key(|one| needs::place(one.action));
    found.may = may;
}

/// The refusal for credentials of another account, in the words of every command that changes something.
pub(crate) async fn refusal(session: &Session) -> Option<Error> {
    session.guard().await.err().map(Error::from)
}
