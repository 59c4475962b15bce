//! Which route a request belongs to (DESIGN §12): the raw path before `?`, undecoded, case-sensitive,
//! segment by segment. One table of cases, `tests/data/route-cases.toml`, is shared by the tests of
//! this module, of the local proxy and of later overlays.

use serde::{Deserialize, Serialize};

use super::name::RouteName;
use super::service::Route;

/// A path template such as `/charges/{id}`: literals, `{name}` for one non-empty segment, and as the last segment
/// `{name*}` for the rest.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct PathTemplate(pub(crate) String);

/// Why a text is not a path template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidTemplate {
    /// It does not begin with `/`.
    #[error("a path begins with `/`")]
    NoSlash,
    /// A brace where none belongs.
    #[error("`{0}` is neither a literal nor `{{name}}` nor `{{name*}}`")]
    Segment(String),
    /// `{name*}` before the last segment.
    #[error("`{0}` takes the rest of the path, so it must be the last segment")]
    RestNotLast(String),
    /// One name twice.
    #[error("`{{{0}}}` is there twice")]
    Twice(String),
    /// A character that no path before `?` holds.
    #[error("`{0}` cannot be part of a path")]
    Character(char),
}

/// One segment of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Parameter(String),
    Rest(String),
}

impl PathTemplate {
    /// Checks a text.
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidTemplate> {
        segments(text)?;
        Ok(Self(text.to_owned()))
    }

    /// The values of the template's parameters in a path that it matches, undecoded; none when it does not match.
    pub(crate) fn parameters(&self, path: &str) -> Option<Vec<(String, String)>> {
        let template = segments(&self.0).ok()?;
        let path = path.strip_prefix('/')?;
        matches(&template, path).then(|| {
            let parts: Vec<_> = path.split('/').collect();
            template
                .iter()
                .enumerate()
                .filter_map(|(index, segment)| match segment {
                    Segment::Literal(_) => None,
                    Segment::Parameter(name) => {
                        Some((name.clone(), (*parts.get(index)?).to_owned()))
                    }
                    Segment::Rest(name) => Some((name.clone(), parts.get(index..)?.join("/"))),
                })
                .collect()
        })
    }
}

fn segments(text: &str) -> Result<Vec<Segment>, InvalidTemplate> {
    let rest = text.strip_prefix('/').ok_or(InvalidTemplate::NoSlash)?;
    let forbidden = |c: char| c == '?' || c == '#' || c == '\\' || !c.is_ascii_graphic();
    if let Some(character) = text.chars().find(|c| forbidden(*c)) {
        return Err(InvalidTemplate::Character(character));
    }
    let parts: Vec<_> = rest.split('/').collect();
    let last = parts.len() - 1;
    let mut names: Vec<String> = Vec::new();
    let mut segments = Vec::with_capacity(parts.len());
    for (index, part) in parts.into_iter().enumerate() {
        let inner = part
            .strip_prefix('{')
            .and_then(|part| part.strip_suffix('}'));
        let Some(inner) = inner else {
            if part.contains(['{', '}']) {
                return Err(InvalidTemplate::Segment(part.to_owned()));
            }
            segments.push(Segment::Literal(part.to_owned()));
            continue;
        };
        let (name, is_rest) = inner
            .strip_suffix('*')
            .map_or((inner, false), |name| (name, true));
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !is_name {
            return Err(InvalidTemplate::Segment(part.to_owned()));
        }
        if is_rest && index != last {
            return Err(InvalidTemplate::RestNotLast(part.to_owned()));
        }
        if names.iter().any(|known| known == name) {
            return Err(InvalidTemplate::Twice(name.to_owned()));
        }
        names.push(name.to_owned());
        segments.push(if is_rest {
            Segment::Rest(name.to_owned())
        } else {
            Segment::Parameter(name.to_owned())
        });
    }
    Ok(segments)
}

/// Whether a template matches a path (without its first `/`).
fn matches(template: &[Segment], path: &str) -> bool {
    let mut parts = path.split('/');
    for segment in template {
        match segment {
            Segment::Rest(_) => return parts.next().is_some(),
            Segment::Literal(literal) => {
                if parts.next() != Some(literal) {
                    return false;
                }
            }
            Segment::Parameter(_) => {
                if parts.next().is_none_or(str::is_empty) {
                    return false;
                }
            }
        }
    }
    parts.next().is_none()
}

/// Whether two templates match exactly the same paths: the names of parameters mean nothing.
pub(crate) fn same_paths(first: &PathTemplate, second: &PathTemplate) -> bool {
    let kinds = |template: &PathTemplate| {
        segments(&template.0).ok().map(|segments| {
            segments
                .into_iter()
                .map(|segment| match segment {
                    Segment::Literal(text) => (0, text),
                    Segment::Parameter(_) => (1, String::new()),
                    Segment::Rest(_) => (2, String::new()),
                })
                .collect::<Vec<_>>()
        })
    };
    first == second || kinds(first).is_some_and(|one| kinds(second) == Some(one))
}

/// Whether some path is matched by both templates: segment by segment, a parameter unifies with anything that is not
/// empty, and the rest with all that is left.
pub(crate) fn overlap(first: &PathTemplate, second: &PathTemplate) -> bool {
    let (Ok(first), Ok(second)) = (segments(&first.0), segments(&second.0)) else {
        return false;
    };
    let mut pairs = (first.iter(), second.iter());
    loop {
        match (pairs.0.next(), pairs.1.next()) {
            (None, None)
            | (Some(Segment::Rest(_)), Some(_))
            | (Some(_), Some(Segment::Rest(_))) => return true,
            (None, Some(_)) | (Some(_), None) => return false,
            (Some(Segment::Literal(one)), Some(Segment::Literal(other))) => {
                if one != other {
                    return false;
                }
            }
            (Some(Segment::Literal(literal)), Some(Segment::Parameter(_)))
            | (Some(Segment::Parameter(_)), Some(Segment::Literal(literal))) => {
                if literal.is_empty() {
                    return false;
                }
            }
            (Some(Segment::Parameter(_)), Some(Segment::Parameter(_))) => {}
        }
    }
}

/// A name for a route that no file names, such as `post-charges-id-refund`; `index` keeps names apart.
pub(crate) fn name_for(method: &str, path: &PathTemplate, index: usize) -> RouteName {
    let mut name: String = format!("{method} {}", path.0)
        .to_ascii_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    while name.contains("--") {
        name = name.replace("--", "-");
    }
    name.truncate(56);
    let name = name.trim_matches('-');
    // Two templates can read alike once their braces are gone.
    let long = format!("{name}-{}", index + 1);
    RouteName::new(long).unwrap_or_else(|_| RouteName::numbered(index))
}

/// The routes of one commit, ready to be asked.
#[derive(Debug, Clone)]
pub(crate) struct RouteTable {
    /// Most specific first: for any path the first match is the right one. (method, template, index as given)
    routes: Vec<(String, Vec<Segment>, usize)>,
}

impl RouteTable {
    /// Templates that are not valid match nothing; they are refused where they are read.
    pub(crate) fn new<'a>(routes: impl IntoIterator<Item = &'a Route>) -> Self {
        let mut routes: Vec<_> = routes
            .into_iter()
            .enumerate()
            .filter_map(|(index, route)| {
                Some((route.method.clone(), segments(&route.path.0).ok()?, index))
            })
            .collect();
        // A literal beats a parameter beats the rest, leftmost first. Where two templates both match a path, they
        // agree or differ in kind at each segment, so this order decides for every path alike.
        routes.sort_by_key(|(_, template, index)| {
            let kinds: Vec<u8> = template
                .iter()
                .map(|segment| match segment {
                    Segment::Literal(_) => 0,
                    Segment::Parameter(_) => 1,
                    Segment::Rest(_) => 2,
                })
                .collect();
            (kinds, *index)
        });
        Self { routes }
    }

    /// The index, in the order given, of the route that a request belongs to; none for the rest. `path` is the raw
    /// path, with or without a query.
    pub(crate) fn find(&self, method: &str, path: &str) -> Option<usize> {
        let path = path.split(['?', '#']).next()?.strip_prefix('/')?;
        self.routes
            .iter()
            .find(|(wanted, template, _)| wanted == method && matches(template, path))
            .map(|(_, _, index)| *index)
    }
}

/// The shared table of cases: for tests here and of the proxy.
#[cfg(test)]
pub(crate) mod cases {
    use serde::Deserialize;

    use super::*;

    /// `tests/data/route-cases.toml`.
    #[derive(Debug, Deserialize)]
    pub(crate) struct Cases {
        pub(crate) table: Vec<Table>,
    }

    /// One set of routes and what belongs to them.
    #[derive(Debug, Deserialize)]
    pub(crate) struct Table {
        pub(crate) name: String,
        pub(crate) routes: Vec<Route>,
        pub(crate) requests: Vec<Request>,
    }

    /// One request: the name of its route, or `rest`.
    #[derive(Debug, Deserialize)]
    pub(crate) struct Request {
        pub(crate) method: String,
        pub(crate) path: String,
        pub(crate) route: String,
    }

    /// Reads the table.
    pub(crate) fn read() -> Cases {
        toml::from_str(include_str!("../../tests/data/route-cases.toml"))
            .expect("the table of cases")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn requests_belong_to_the_routes_of_the_table() {
        for table in cases::read().table {
            let routes = RouteTable::new(&table.routes);
            for request in table.requests {
                let found = routes
                    .find(&request.method, &request.path)
                    .map_or("rest", |index| table.routes[index].name.as_str());
                assert_eq!(
                    found, request.route,
                    "{}: {} {}",
                    table.name, request.method, request.path
                );
            }
        }
    }

    #[test]
    fn templates_are_checked() {
        for good in [
            "/",
            "/a",
            "/a/",
            "/a/{x}",
            "/{x}/{y}",
            "/a/{rest*}",
            "/a.b-c~%2F",
            "//a",
        ] {
            assert!(PathTemplate::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "", "a", "/{", "/{}", "/a{x}", "/{x}a", "/{x*}/a", "/{x}/{x}", "/a?b", "/a#b", "/a b",
            "/ä", "/{1}", "/{x-y}",
        ] {
            assert!(PathTemplate::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn parameters_are_taken_from_the_path_undecoded() {
        let template = PathTemplate("/a/{x}/{rest*}".to_owned());
        assert_eq!(
            template.parameters("/a/1%2F2/b/c"),
            Some(vec![
                ("x".into(), "1%2F2".into()),
                ("rest".into(), "b/c".into())
            ])
        );
        assert_eq!(template.parameters("/a/1"), None);
    }

    /// The rule as it is written, without any order: the best of all that match, segment by segment.
    fn reference(routes: &[Route], method: &str, path: &str) -> Option<usize> {
        let kinds = |index: usize| -> Vec<u8> {
            routes[index]
                .path
                .0
                .split('/')
                .skip(1)
                .map(|part| u8::from(part.starts_with('{')) + u8::from(part.ends_with("*}")))
                .collect()
        };
        (0..routes.len())
            .filter(|index| {
                routes[*index].method == method && routes[*index].path.parameters(path).is_some()
            })
            .min_by_key(|index| (kinds(*index), *index))
    }

    proptest! {
        #[test]
        fn the_order_of_the_table_is_the_rule(
            templates in prop::collection::vec("(/(a|b|\\{x\\})){1,3}(/\\{r\\*\\})?", 1..6),
            path in "(/[abc]?){1,5}",
        ) {
            let routes: Vec<Route> = templates
                .iter()
                .enumerate()
                .filter(|(_, text)| text.matches("{x}").count() < 2)
                .map(|(index, text)| Route {
                    name: format!("r{index}").parse().unwrap(),
                    method: "GET".to_owned(),
                    path: PathTemplate(text.clone()),
                })
                .collect();
            prop_assert_eq!(
                RouteTable::new(&routes).find("GET", &path),
                reference(&routes, "GET", &path)
            );
        }
    }
}
