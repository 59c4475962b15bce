//! Status of many services where each read counts: at once what the last look found, with its age, then what is there now.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::{Args, exit_code, unknown};
use crate::cli::context::Context;
use crate::cli::signals::{Signals, unless_asked};
use crate::cli::time::relative;
use crate::cli::view::status as view;
use crate::domain::environment::Environment;
use crate::domain::fleet::Seen;
use crate::domain::live::Live;
use crate::domain::name::ServiceName;
use crate::domain::rollout::State;
use crate::error::{Error, Kind, Result};
use crate::ops::fleet::{self, Remembered};
use crate::ops::going_on::{self, GoingOn};
use crate::ops::rollout::snapshot::DRIVING;
use crate::ops::status::{self, Looked, Row};
use crate::output::canvas::Canvas;
use crate::platform::{Look, Platform};

/// Reads each second while watching: ten people who watch leave half of what a platform allows to whoever deploys.
const WATCH_RATE: u32 = 5;
/// The shortest time from the beginning of a look to the next one while watching.
const WATCH_INTERVAL: Duration = Duration::from_secs(15);
/// How often the screen is drawn anew at most while a look goes on.
const REDRAW: Duration = Duration::from_millis(100);

/// What is looked at, and where it is kept.
pub(super) struct Fleet<'a> {
    pub(super) context: &'a Context,
    pub(super) platform: &'a dyn Platform,
    pub(super) environment: &'a Environment,
    /// None = every service.
    pub(super) only: Option<&'a [ServiceName]>,
    /// Under which name looks are kept.
    pub(super) name: String,
}

/// Rows, and how old they are.
struct Answer {
    rows: Vec<Row>,
    age: Age,
    /// So many services are of other environments.
    elsewhere: usize,
}

/// How old an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Age {
    /// When the look began.
    pub(crate) at: Timestamp,
    /// It was kept from before.
    pub(crate) from_cache: bool,
}

impl Fleet<'_> {
    /// Shows it, and goes on showing it with `--watch`; the exit code.
    pub(super) async fn run(&self, args: &Args) -> Result<u8> {
        let remembered = fleet::recall(&self.context.directories()?.cache, &self.name);
        if args.cached || args.max_age.is_some() {
            match (&remembered, args.max_age) {
                (Some(one), None) => return self.kept(one, args).await,
                (Some(one), Some(most)) if one.age(self.context.now()) <= most => {
                    return self.kept(one, args).await;
                }
                (None, _) if args.cached => return Err(self.nothing_kept()),
                _ => {}
            }
        }
        let mut canvas = Canvas::default();
        if let Some(remembered) = &remembered {
            self.first_paint(&mut canvas, remembered);
        }
        let answer = self.fresh(&mut canvas, args, remembered.as_ref()).await?;
        if args.watch {
            return self.watch(canvas, args, answer).await;
        }
        self.show(&mut canvas, &answer);
        if answer.rows.is_empty() {
            self.nothing(args).await?;
        }
        Ok(exit_code(&answer.rows))
    }

    /// Services of which a rollout is driven from this machine, or whose traffic was shared when it looked last.
    fn rolling<'l>(
        &self,
        before: impl Iterator<Item = (&'l ServiceName, &'l Live)>,
    ) -> Vec<ServiceName> {
        let is_shared = |live: &Live| {
            let split = live.split.as_ref();
            !State::kept(&live.state).is_empty() || split.is_some_and(|one| one.sole().is_none())
        };
        let driven = self
            .going_on()
            .into_iter()
            .filter(|one| one.kind == DRIVING);
        driven
            .flat_map(|one| one.services)
            .chain(
                before
                    .filter(|(_, live)| is_shared(live))
                    .map(|(service, _)| service.clone()),
            )
            .collect()
    }

    fn is_painted(&self) -> bool {
        self.context.output.can_redraw() && !self.context.output.is_json()
    }

    fn going_on(&self) -> Vec<GoingOn> {
        self.context.directories().map_or_else(
            |_| Vec::new(),
            |directories| going_on::list(&directories.state, self.environment),
        )
    }

    fn rows(&self, seen: Vec<Seen>) -> Vec<Row> {
        status::rows(seen, self.environment, self.only, &self.going_on())
    }

    /// Says that nothing of what was looked for is there.
    async fn nothing(&self, args: &Args) -> Result<()> {
        let environments = std::slice::from_ref(self.environment);
        super::nothing(self.context, args, environments, self.only).await
    }

    /// The rows of a look that came to its end, with who drives.
    async fn whole(&self, seen: Vec<Seen>) -> Vec<Row> {
        let going_on = self.going_on();
        let mut rows = status::rows(seen, self.environment, self.only, &going_on);
        super::add_drivers(self.context, self.platform, &mut rows, &going_on).await;
        rows
    }

    /// What was kept, as the whole answer.
    async fn kept(&self, remembered: &Remembered, args: &Args) -> Result<u8> {
        let rows = self.rows(remembered.of(self.only));
        let code = exit_code(&rows);
        let age = Age {
            at: remembered.taken_at,
            from_cache: true,
        };
        let is_empty = rows.is_empty();
        let answer = Answer {
            rows,
            age,
            elsewhere: 0,
        };
        self.show(&mut Canvas::default(), &answer);
        if is_empty {
            self.nothing(args).await?;
        }
        Ok(code)
    }

    fn nothing_kept(&self) -> Error {
        let place = self.environment.spoken();
        Error::new(
            Kind::Failed,
            "nothing-kept",
            format!(
                "cannot show {place} from before: this machine has not looked at all of it yet"
            ),
        )
        .hint(format!(
            "look at it now: `squad status --all{}`",
            self.environment.flag()
        ))
    }

    fn first_paint(&self, canvas: &mut Canvas, remembered: &Remembered) {
        if self.is_painted() {
            let rows = self.rows(remembered.of(self.only));
            let now = self.context.now();
            let age = relative(remembered.taken_at, now);
            self.paint(
                canvas,
                &rows,
                &format!("as of {age}; asking what is there now"),
            );
        }
    }

    /// Draws rows and a line below them, as much as fits.
    fn paint(&self, canvas: &mut Canvas, rows: &[Row], footer: &str) {
        let size = self.context.output.size();
        // Nobody sees more rows than lines, and each row takes time.
        let shown = rows.get(..size.1.min(rows.len())).unwrap_or(rows);
        let mut text = String::new();
        if !shown.is_empty() {
            text = view::table(shown, self.context.now(), Some(size.0));
            let room = size.1.saturating_sub(2).max(1);
            if text.lines().count() > room {
                let lines: Vec<_> = text.lines().take(room).collect();
                text = lines.join("\n");
            }
            text.push('\n');
        }
        text.extend(footer.chars().take(size.0.saturating_sub(1)));
        let screen = canvas.draw(&text, size);
        self.context.output.drawn(&screen);
    }

    /// The answer as a whole.
    fn show(&self, canvas: &mut Canvas, answer: &Answer) {
        let output = &self.context.output;
        let now = self.context.now();
        if output.is_json() {
            output.json(&view::Wire::new(&answer.rows).aged(answer.age, now));
            self.warn(answer);
            return;
        }
        if !answer.rows.is_empty() || canvas.is_drawn() {
            let width = output.is_terminal().then(|| output.width());
            let text = if answer.rows.is_empty() {
                String::new()
            } else {
                view::table(&answer.rows, now, width)
            };
            if canvas.is_drawn() {
                let screen = canvas.finish(&text, output.size());
                output.drawn(&screen);
            } else {
                output.out(&text);
            }
        }
        if answer.age.from_cache {
            output.status(&format!(
                "as of {}, kept on this machine",
                relative(answer.age.at, now)
            ));
        }
        self.warn(answer);
    }

    /// What could not be told of services whose row is there.
    fn warn(&self, answer: &Answer) {
        for text in unknown(&answer.rows) {
            self.context.output.warn(&text);
        }
        if answer.elsewhere > 0 {
            self.context.output.status(&format!(
                "{} with the tag of a service not shown: deployed from another environment of the account",
                match answer.elsewhere {
                    1 => "1 function".to_owned(),
                    count => format!("{count} functions"),
                }
            ));
        }
    }

    /// Looks, shows how far it is, and keeps what was found when it was all of it.
    async fn fresh(
        &self,
        canvas: &mut Canvas,
        args: &Args,
        before: Option<&Remembered>,
    ) -> Result<Answer> {
        let at = self.context.now();
        let rolling = self.rolling(before.into_iter().flat_map(Remembered::live));
        let look = Look {
            only: self.only,
            only_serving: false,
            rate: args.rate,
            rolling: &rolling,
        };
        let seen = if self.is_painted() {
            self.painted(canvas, &look, before).await
        } else {
            status::look(self.platform, &look, &|_, _| {}).await
        };
        let Looked { seen, elsewhere } = seen.map_err(|error| self.not_refreshed(error, before))?;
        self.keep(at, &seen);
        Ok(Answer {
            elsewhere,
            rows: self.whole(seen).await,
            age: Age {
                at,
                from_cache: false,
            },
        })
    }

    fn keep(&self, at: Timestamp, seen: &[Seen]) {
        if self.only.is_some() {
            return;
        }
        let kept = self.context.directories().and_then(|directories| {
            Ok(fleet::remember(
                &directories.cache,
                &self.name,
                at,
                seen.to_vec(),
            )?)
        });
        if let Err(error) = kept {
            self.context.output.warn(&format!(
                "what was found is not kept for the next time: {}",
                error.message
            ));
        }
    }

    /// A look that is drawn while it goes on: each service is replaced as it is read.
    async fn painted(
        &self,
        canvas: &mut Canvas,
        look: &Look<'_>,
        before: Option<&Remembered>,
    ) -> Result<Looked> {
        let before = before.map(|one| (one.of(self.only), one.taken_at));
        let drawn = Mutex::new((canvas, self.context.clock().monotonic()));
        let on_progress = |seen: &[Seen], total: Option<usize>| {
            let mut drawn = drawn.lock().unwrap_or_else(PoisonError::into_inner);
            let now = self.context.clock().monotonic();
            if now.saturating_sub(drawn.1) < REDRAW && total.is_some_and(|total| seen.len() < total)
            {
                return;
            }
            drawn.1 = now;
            let (rows, age) = match &before {
                Some((before, at)) => (
                    self.rows(merged(before, seen)),
                    format!("as of {}; ", relative(*at, self.context.now())),
                ),
                None => (self.rows(seen.to_vec()), String::new()),
            };
            let footer = match total {
                Some(total) => format!("{age}{} of {total} read", seen.len()),
                None => format!("{age}asking what is there now"),
            };
            self.paint(drawn.0, &rows, &footer);
        };
        status::look(self.platform, look, &on_progress).await
    }

    fn not_refreshed(&self, error: Error, before: Option<&Remembered>) -> Error {
        match before {
            Some(before) => error.hint(format!(
                "what was there {}: `squad status --all{} --cached`",
                relative(before.taken_at, self.context.now()),
                self.environment.flag()
            )),
            None => error,
        }
    }

    /// Looks again and again, slowly, until it is asked to end, or `--timeout`.
    async fn watch(&self, mut canvas: Canvas, args: &Args, first: Answer) -> Result<u8> {
        let clock = self.context.clock();
        let deadline = args.timeout.map(|timeout| clock.monotonic() + timeout);
        let mut last = first;
        // Before anything is shown: whoever has seen it may ask for the end.
        let mut signals = Signals::listen_and_watch(&self.context.output)?;
        self.watched(&mut canvas, &last, true);
        loop {
            let began = clock.monotonic();
            let next = async {
                tokio::time::sleep(WATCH_INTERVAL).await;
                let at = self.context.now();
                let rolling = self.rolling(last.rows.iter().map(|row| (&row.service, &row.live)));
                let look = Look {
                    only: self.only,
                    only_serving: false,
                    rate: Some(args.rate.unwrap_or(WATCH_RATE)),
                    rolling: &rolling,
                };
                let looked = status::look(self.platform, &look, &|_, _| {}).await?;
                Ok::<_, Error>((at, looked))
            };
            let left = deadline.map_or(Duration::MAX, |deadline| deadline.saturating_sub(began));
            let looked = tokio::time::timeout(left, next);
            let looked = match unless_asked(Some(&mut signals), looked).await {
                Some(Ok(looked)) => looked,
                Some(Err(_)) => return Ok(Kind::Timeout.exit_code()),
                None if self.context.output.is_closed() => return Ok(0),
                None => {
                    self.context.output.drawn(canvas.leave());
                    return Ok(exit_code(&last.rows));
                }
            };
            match looked {
                Ok((at, Looked { seen, elsewhere })) => {
                    self.keep(at, &seen);
                    let rows = self.whole(seen).await;
                    let is_news = rows != last.rows;
                    let age = Age {
                        at,
                        from_cache: false,
                    };
                    last = Answer {
                        rows,
                        age,
                        elsewhere,
                    };
                    self.watched(&mut canvas, &last, is_news);
                }
                // Whoever watches through a bad moment sees the age of what is shown grow.
                Err(error) if error.kind == Kind::Failed || error.retryable => {
                    self.context
                        .output
                        .warn(&format!("cannot look again: {}", error.message));
                }
                Err(error) => return Err(error),
            }
            if self.context.output.is_closed() {
                return Ok(0);
            }
        }
    }

    fn watched(&self, canvas: &mut Canvas, answer: &Answer, is_news: bool) {
        if self.is_painted() {
            let at = answer.age.at.strftime("%H:%M:%S UTC");
            self.paint(canvas, &answer.rows, &format!("as of {at}; Ctrl-C ends"));
        } else if is_news {
            self.show(&mut Canvas::default(), answer);
        }
    }
}

/// What was there before, with what was read since in its place.
fn merged(before: &[Seen], seen: &[Seen]) -> Vec<Seen> {
    let is_read = |one: &&Seen| seen.iter().all(|other| other.service != one.service);
    let mut merged: Vec<_> = before.iter().filter(is_read).cloned().collect();
    merged.extend_from_slice(seen);
    merged
}
