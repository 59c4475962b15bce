//! Elastic Container Registry (AWS JSON 1.1): `DescribeImages`, by tag.

use serde_json::{Value, json};

use crate::dispatch::Operation;
use crate::failure::Failure;
use crate::request::{Reply, Request};
use crate::world::World;

pub(crate) fn operation(request: &Request) -> Option<Operation> {
    if !request.header("x-amz-target")?.ends_with(".DescribeImages") {
        return None;
    }
    let mut operation = Operation::new("DescribeImages");
    for (member, value) in request.json().as_object().into_iter().flatten() {
        operation = operation.with(member, value.clone());
    }
    Some(operation)
}

/// API reference, DescribeImages: `RepositoryNotFoundException` where there is no such repository,
/// `ImageNotFoundException` where a tag names no image in it; `imageDigest` is the digest of its manifest. The images
/// are those of the settings, each as a whole reference with its tag.
pub(crate) fn handle(request: &Request, world: &World) -> Result<Reply, Failure> {
    let body = request.json();
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    let (account, name) = (text("registryId"), text("repositoryName"));
    let repository = format!("{account}.dkr.ecr.{}.amazonaws.com/{name}", request.region);
    let images = &world.settings.images;
    if !images
        .keys()
        .any(|image| image.starts_with(&format!("{repository}:")))
    {
        return Err(Failure::new(
            400,
            "RepositoryNotFoundException",
            format!(
                "The repository with name '{name}' does not exist in the registry with id '{account}'"
            ),
        ));
    }
    let mut details = Vec::new();
    for id in body["imageIds"].as_array().into_iter().flatten() {
        let tag = id["imageTag"].as_str().unwrap_or_default();
        let Some(digest) = images.get(&format!("{repository}:{tag}")) else {
            return Err(Failure::new(
                400,
                "ImageNotFoundException",
                format!(
                    "The image with imageId {{imageDigest:'null', imageTag:'{tag}'}} does not exist within the repository with name '{name}' in the registry with id '{account}'"
                ),
            ));
        };
        details.push(json!({
            "registryId": account,
            "repositoryName": name,
            "imageDigest": digest,
            "imageTags": [tag],
        }));
    }
    let body: Value = json!({ "imageDetails": details });
    Ok(Reply::empty(200).with_body("application/x-amz-json-1.1", body.to_string()))
}
