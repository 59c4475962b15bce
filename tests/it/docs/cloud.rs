//! The examples of docs/aws.md and docs/fleet.md, with the stand-in for AWS.

use serde_json::json;

use super::block::{Page, Stage};
use crate::lambda::Cloud;
use crate::lambda::callers::queue;

/// A home whose environment `prod` lies at the stand-in, with the function `receipts` in it.
fn prod() -> Cloud {
    let mut cloud = Cloud::with_function(2);
    let file = cloud.home.work().join("org/org.toml");
    let text = std::fs::read_to_string(&file).expect("an org");
    std::fs::write(&file, text.replace("[env.cloud]", "[env.prod]")).expect("an org");
    cloud.home.unset("SQUAD_ENV");
    cloud
}

#[test]
fn who_you_are_at_aws_is_as_the_page_shows_it() {
    let cloud = prod();
    cloud
        .aws
        .settings(json!({"denied": ["lambda:UpdateAlias"]}));
    let mut page = Page::open("docs/aws.md");
    page.says(&mut Stage::at(&cloud.home, &cloud.aws));
}

#[test]
fn callers_are_found_and_moved_as_the_page_says() {
    let cloud = prod();
    queue(&cloud, "receipts");
    let mut page = Page::open("docs/fleet.md");
    page.says(&mut Stage::at(&cloud.home, &cloud.aws));
}
