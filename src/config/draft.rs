//! Reading in two steps: first what lies on this machine, then, when an org had to be brought here, the rest.

use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};

use super::check::listed;
use super::chosen_org::{committed_alone, environments, known, org_of, read_org, snapshot};
use super::error::Error;
use super::members;
use super::origin::Origin;
use super::person::{self, Person};
use super::place::{self, Mistake, Role, in_order};
use super::selection::{ChosenBy, ORG_FILE, Selected, Selection, cache_of, select};
use super::workspace::{self, Found};
use super::{Config, MANIFEST, Org, Sources, remembered};
use crate::domain::name::{EnvironmentName, OrgName};
use crate::domain::org::{Committed, Registry, Snapshot, Source};
use crate::domain::repository::without_secrets;
use crate::env;
use crate::fs;

/// How old what was fetched of an org may be.
const FRESH: SignedDuration = SignedDuration::from_mins(5);
/// How long to leave a remote alone that was asked.
const PATIENCE: SignedDuration = SignedDuration::from_mins(1);

/// What must be brought to this machine before the files can be read as a whole.
#[derive(Debug, Clone)]
pub(crate) enum Need {
    /// Nothing.
    Nothing,
    /// Nothing that could be had: the remote did not answer a moment ago, so what is here has to do.
    Stale(Box<Snapshot>),
    /// The org's repository, fetched into `cache`.
    Fetch {
        /// Its address, with the credentials that were given.
        url: String,
        /// Where it is kept.
        cache: PathBuf,
        /// What was fetched before.
        snapshot: Option<Box<Snapshot>>,
    },
    /// The org's file in the newest commit of the work tree that holds this directory.
    Committed(PathBuf),
}

/// The files of this machine, read and not yet put together.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    sources: &'a Sources<'a>,
    found: Found,
    person: Person,
    selection: Selection,
    /// Of the services' files.
    service_mistakes: Vec<Mistake>,
    /// Of the person's own file of habits.
    person_mistakes: Vec<Mistake>,
    /// Of the list of orgs.
    registry_mistakes: Vec<Mistake>,
    /// Of all other files.
    mistakes: Vec<Mistake>,
    /// What nobody may miss, whatever else is said.
    warnings: Vec<String>,
    /// See [`lenient`](Self::lenient).
    lenient: bool,
    /// See [`read_for_brake`](Self::read_for_brake).
    is_brake: bool,
}

impl<'a> Draft<'a> {
    /// Reads what lies on this machine. Mistakes in files do not stop it; they are reported at the end.
    pub(crate) fn read(sources: &'a Sources<'a>) -> Result<Self, Error> {
        Self::read_with(sources, |error| Err(error.into()))
    }

    /// The same to stop what is live: neither habits nor an org's file that cannot be read may be in the way.
    pub(crate) fn read_for_brake(sources: &'a Sources<'a>) -> Result<Self, Error> {
        let draft = Self::read_with(sources, |error| {
            Ok(format!(
                "cannot read `{}`: {}; what it says is left out, also of an org and an environment",
                error.path.display(),
                error.why()
            ))
        })?;
        Ok(Self {
            is_brake: true,
            ..draft
        })
    }

    fn read_with(
        sources: &'a Sources<'a>,
        without_habits: impl Fn(fs::Error) -> Result<String, Error>,
    ) -> Result<Self, Error> {
        let mut service_mistakes = Vec::new();
        let found = workspace::find(sources.directory, &mut service_mistakes)?;
        let (mut person_mistakes, mut warnings) = (Vec::new(), Vec::new());
        let mut left_out = |error| without_habits(error).map(|warning| warnings.push(warning));
        let (directories, directory) = (sources.directories, sources.directory);
        let person = person::read(directories, directory, &mut person_mistakes)
            .or_else(|error| left_out(error).map(|()| Person::default()))?;
        let mut registry_mistakes = Vec::new();
        let registry = person::registry(directories, directory, &mut registry_mistakes)
            .or_else(|error| left_out(error).map(|()| Registry::default()))?;
        let selection = selection(sources, &found, &person, &registry)?;
        Ok(Self {
            sources,
            found,
            person,
            selection,
            service_mistakes,
            person_mistakes: in_order(person_mistakes),
            registry_mistakes,
            mistakes: Vec::new(),
            warnings,
            lenient: false,
            is_brake: false,
        })
    }

    /// Leaves the services' files out, with all their mistakes: a change of `squad.toml` that is half done must
    /// not keep anybody from stopping what is live.
    pub(crate) fn without_services(mut self) -> Self {
        self.found = Found::default();
        self.service_mistakes.clear();
        self.lenient()
    }

    /// Mistakes in the person's own file, and in a change of the org's file that is not committed, are only told: neither
    /// must keep anybody from looking at what is live, or from stopping it.
    pub(crate) fn lenient(mut self) -> Self {
        self.lenient = true;
        self
    }

    /// What must be brought to this machine first.
    pub(crate) fn need(&self, now: Timestamp) -> Need {
        let Selection::Known(selected) = &self.selection else {
            return Need::Nothing;
        };
        match &selected.source {
            Source::Directory(directory) => {
                if directory
                    .ancestors()
                    .any(|above| above.join(".git").exists())
                {
                    Need::Committed(directory.clone())
                } else {
                    Need::Nothing
                }
            }
            Source::Git(url) => {
                let cache = cache_of(url, self.sources.directories);
                let snapshot = snapshot(url, self.sources.directories);
                match &snapshot {
                    Some(snapshot) if is_lately(snapshot.fetched_at, now, FRESH) => {
                        return Need::Nothing;
                    }
                    Some(snapshot) if is_lately(snapshot.tried_at, now, PATIENCE) => {
                        return Need::Stale(Box::new(snapshot.clone()));
                    }
                    None if self.is_brake && self.remembered(selected).is_some() => {
                        return Need::Nothing;
                    }
                    _ => {}
                }
                Need::Fetch {
                    url: url.clone(),
                    cache,
                    snapshot: snapshot.map(Box::new),
                }
            }
        }
    }

    /// Where the selected org lies.
    pub(crate) fn org_source(&self) -> Option<Source> {
        match &self.selection {
            Selection::Known(selected) => Some(selected.source.clone()),
            Selection::None | Selection::Missing(..) => None,
        }
    }

    /// Puts everything together and reports all mistakes. `committed` is what [`Need::Committed`] asked for;
    /// without it, the protected environments of an org in a work tree cannot be used. A mistake in the file of another
    /// member of the workspace leaves that member out, with a warning.
    pub(crate) fn finish(self, committed: Option<Committed>) -> Result<Config, Error> {
        self.assemble(committed, false)
    }

    fn assemble(mut self, committed: Option<Committed>, every: bool) -> Result<Config, Error> {
        let mut warnings = std::mem::take(&mut self.warnings);
        let mut missing_org = None;
        self.mistakes.append(&mut self.service_mistakes);
        // An org that is named by where it lies needs no list of orgs.
        let is_unlisted =
            matches!(&self.selection, Selection::Known(selected) if selected.alias.is_none());
        if self.lenient && is_unlisted {
            self.person_mistakes.append(&mut self.registry_mistakes);
        } else {
            self.mistakes.append(&mut self.registry_mistakes);
        }
        if self.lenient {
            let told = self.person_mistakes.iter();
            warnings.extend(told.map(|mistake| format!("{} (left out)", mistake.headline())));
        } else {
            self.mistakes.append(&mut self.person_mistakes);
        }
        let org = match std::mem::replace(&mut self.selection, Selection::None) {
            Selection::None => None,
            Selection::Missing(name, place) => {
                warnings.push(format!(
                    "this machine does not know the org `{name}` ({}), so only `local` can be used; \
                     add it with `squad org add DIRECTORY_OR_URL`",
                    place.shown()
                ));
                missing_org = Some(name);
                None
            }
            Selection::Known(selected) => self.org(&selected, committed, &mut warnings)?,
        };
        let (environments, uncommitted) = environments(org.as_ref(), &mut warnings);
        let known = (org.as_ref().filter(|org| !org.is_remembered)).map(known);
        let others = self.found.others();
        let (mut members, doubled) = members::read(
            std::mem::take(&mut self.found.services),
            self.found.defaults.as_ref(),
            org.as_ref().and_then(|org| org.file.defaults.as_ref()),
            known.as_ref(),
            &mut self.mistakes,
        );
        let mut left_out = Vec::new();
        if !every {
            let is_of_another = |mistake: &Mistake| others.contains(&mistake.place.file.path);
            (left_out, self.mistakes) = self.mistakes.into_iter().partition(is_of_another);
            left_out = in_order(left_out);
            let files: Vec<&PathBuf> = left_out.iter().map(|one| &one.place.file.path).collect();
            members.retain(|member| !files.contains(&&member.path));
        }
        self.mistakes.extend(doubled);
        if !self.mistakes.is_empty() {
            self.mistakes.append(&mut left_out);
            return Err(Error::Mistakes(in_order(self.mistakes)));
        }
        let mut files: Vec<&str> = left_out
            .iter()
            .map(|mistake| mistake.place.file.shown.as_str())
            .collect();
        files.dedup();
        warnings.extend(files.into_iter().map(|file| {
            format!(
                "{file} has mistakes, so squad goes on without its service where it can; `squad config check` shows them"
            )
        }));
        let chosen_environment = chosen_environment(self.sources, &self.person)?;
        let config = Config {
            directory: self.sources.directory.to_owned(),
            org,
            missing_org,
            environments,
            uncommitted,
            members,
            manifest: self.found.nearest,
            root: self.found.root,
            chosen_environment,
            left_out,
            warnings,
        };
        if let Ok(member) = config.member_here() {
            config.refuse_other_org(member)?;
        }
        Ok(config)
    }
}

impl Draft<'_> {
    /// The selected org. Where its file has mistakes, its newest commit does for whoever looks or brakes; where neither can be
    /// read, a brake goes by what this machine remembers.
    fn org(
        &mut self,
        selected: &Selected,
        committed: Option<Committed>,
        warnings: &mut Vec<String>,
    ) -> Result<Option<Org>, Error> {
        let mut own = Vec::new();
        let read = org_of(selected.clone(), committed.clone(), self.sources, &mut own);
        if self.lenient
            && !own.is_empty()
            && let Some(good) = committed_alone(selected.clone(), committed)
        {
            warnings.push(format!(
                "changes of {ORG_FILE} that are not committed have mistakes; what its newest commit says counts"
            ));
            return Ok(Some(good));
        }
        if let Some(why) = unread(&read, &own)
            && let Some(org) = self.remembered(selected)
        {
            warnings.push(format!(
                "{why}; the environments count as they were when something was last deployed to them from here"
            ));
            return Ok(Some(org));
        }
        self.mistakes.append(&mut own);
        read
    }

    /// What a brake goes by where the org's file cannot be read; none for any other command.
    fn remembered(&self, selected: &Selected) -> Option<Org> {
        let state = &self.sources.directories.state;
        (self.is_brake).then(|| remembered::org(selected, state))?
    }

    /// [`finish`](Self::finish), and an `org.toml` in the directory itself: how an org checks its own file.
    pub(crate) fn check(self, committed: Option<Committed>) -> Result<Checked, Error> {
        let directory = self.sources.directory;
        let own = directory.join(ORG_FILE);
        let mut files = Vec::new();
        let mut warnings = Vec::new();
        let mut mistakes = Vec::new();
        if let Some(file) = place::read(&own, directory, Role::Org, &mut mistakes)? {
            read_org(&file, Some(directory), &mut mistakes);
            files.push(file.shown.clone());
        }
        let person = self.person.clone();
        match self.assemble(committed, true) {
            Ok(mut config) => {
                mistakes.extend(unknown_default(&config, &person));
                files.extend(person.file);
                warnings = std::mem::take(&mut config.warnings);
                if let Some(root) = &config.root {
                    files.push(place::shown(&root.join(MANIFEST), directory));
                }
                for member in &config.members {
                    files.push(place::shown(&member.path, directory));
                }
                if let Some(org) = &config.org {
                    let file = match &org.selected.source {
                        Source::Directory(of) => place::shown(&of.join(ORG_FILE), directory),
                        Source::Git(url) => without_secrets(url),
                    };
                    files.push(file);
                }
            }
            Err(Error::Mistakes(more)) => mistakes.extend(more),
            Err(error) if mistakes.is_empty() => return Err(error),
            Err(_) => {}
        }
        if !mistakes.is_empty() {
            return Err(Error::Mistakes(in_order(mistakes)));
        }
        let mut seen = std::collections::BTreeSet::new();
        files.retain(|file| seen.insert(file.clone()));
        Ok(Checked { files, warnings })
    }
}

/// A person's own environment that there is not.
fn unknown_default(config: &Config, person: &Person) -> Option<Mistake> {
    let (name, place) = (person.env.as_ref()?, person.env_place.clone()?);
    let Err(Error::UnknownEnvironment { known, nearest, .. }) = config.environment(name) else {
        return None;
    };
    let why = match nearest {
        Some(meant) => format!("; did you mean `{meant}`?"),
        None => format!(
            ", and there is no such environment; there is {}",
            listed(&known)
        ),
    };
    Some(Mistake {
        place,
        message: format!("`env` is `{name}`{why}"),
        missing: false,
    })
}

/// Why an org's file says nothing; none where it does.
fn unread(read: &Result<Option<Org>, Error>, mistakes: &[Mistake]) -> Option<String> {
    match read {
        Ok(_) => Some(mistakes.first()?.headline()),
        Err(Error::NoOrgFile { path, .. }) => Some(format!("there is no `{}`", path.display())),
        Err(Error::NotFetched { url }) => Some(format!(
            "the org at `{url}` was never fetched to this machine"
        )),
        Err(Error::File(error)) => Some(format!(
            "cannot read `{}`: {}",
            error.path.display(),
            error.why()
        )),
        Err(error) => Some(error.to_string()),
    }
}

/// Files without mistakes.
#[derive(Debug)]
pub(crate) struct Checked {
    /// As a person would type them here, each once.
    pub(crate) files: Vec<String>,
    /// What could not be checked, and what does not count.
    pub(crate) warnings: Vec<String>,
}

fn selection(
    sources: &Sources<'_>,
    found: &Found,
    person: &Person,
    registry: &Registry,
) -> Result<Selection, Error> {
    let here = found
        .services
        .iter()
        .find(|manifest| Some(&manifest.path) == found.nearest.as_ref());
    let own = here
        .into_iter()
        .chain(&found.services)
        .filter_map(|manifest| manifest.tree.at(&["service", "org"]))
        .chain(
            found
                .defaults
                .as_ref()
                .and_then(|defaults| defaults.at(&["service", "org"])),
        )
        .find_map(|node| Some((OrgName::new(node.as_text()?).ok()?, node.place.clone()?)));
    select(
        sources.org,
        sources.env.get(env::SQUAD_ORG),
        own.as_ref().map(|(name, place)| (name, place)),
        person,
        registry,
        sources.directory,
    )
}

fn chosen_environment(
    sources: &Sources<'_>,
    person: &Person,
) -> Result<Option<(EnvironmentName, Origin)>, Error> {
    if let Some(text) = sources.env.get(env::SQUAD_ENV) {
        let name = EnvironmentName::new(text).map_err(|error| Error::Variable {
            variable: env::SQUAD_ENV,
            reason: error.to_string(),
        })?;
        return Ok(Some((name, Origin::Variable(env::SQUAD_ENV))));
    }
    Ok(person.env.clone().map(|name| {
        let origin = Origin::of(person.env_place.as_ref(), None);
        (name, origin)
    }))
}

/// Whether something happened less than `most` ago. A clock that was set back makes nothing recent.
fn is_lately(since: Timestamp, now: Timestamp, most: SignedDuration) -> bool {
    let age = now.duration_since(since);
    !age.is_negative() && age < most
}

/// Who chose the org, as an origin.
impl From<&ChosenBy> for Origin {
    fn from(by: &ChosenBy) -> Self {
        match by {
            ChosenBy::Flag => Self::Flag("--org"),
            ChosenBy::Variable => Self::Variable(env::SQUAD_ORG),
            ChosenBy::Service(place) | ChosenBy::Person(place) => Self::of(Some(place), None),
            ChosenBy::Use => Self::Command("squad org use"),
        }
    }
}
