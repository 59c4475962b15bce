//! What a tag of a container image means now, as Elastic Container Registry says.
//!
//! Reads one description; pulls nothing. Lambda takes images from ECR alone (Lambda Developer Guide, "Create a Lambda
//! function using a container image": "you must use the Amazon ECR registry").

use serde::Deserialize;
use serde_json::json;

use super::error::{Error, Result, Why};
use super::session::Session;
use super::signed::Service;
use crate::domain::image::ImageReference;

/// AWS General Reference, "Amazon ECR endpoints and quotas".
pub(super) const SERVICE: Service = Service {
    id: "ECR",
    signing: "ecr",
    host: "api.ecr",
    other_host: "ecr",
    is_fips_in_gov: false,
};

/// A repository of a private registry: `<account>.dkr.ecr.<region>.amazonaws.com/<name>`.
#[derive(Debug, PartialEq, Eq)]
struct Repository<'a> {
    account: &'a str,
    region: &'a str,
    name: &'a str,
}

impl<'a> Repository<'a> {
    /// None for another registry. The host's form is that of "Amazon ECR private registry"; those of China end with
    /// `.cn`.
    fn of(image: &'a ImageReference) -> Option<Self> {
        let (host, name) = image.repository.split_once('/')?;
        let host = host.strip_suffix(".cn").unwrap_or(host);
        let (account, rest) = host.split_once(".dkr.ecr.")?;
        let region = rest.strip_suffix(".amazonaws.com")?;
        (account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit())).then_some(Self {
            account,
            region,
            name,
        })
    }
}

/// The action of everything here.
const ACTION: &str = "ecr:DescribeImages";
const TARGET: &str = "AmazonEC2ContainerRegistry_V20150921.DescribeImages";

/// What is known of the images that were asked for (Amazon ECR API Reference, `DescribeImages`).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Images {
    #[serde(default)]
    image_details: Vec<Image>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Image {
    #[serde(default)]
    image_digest: Option<String>,
}

/// Why an image cannot be told by its digest.
#[derive(Debug)]
pub(crate) enum Unpinned {
    /// In words: no image that Lambda takes.
    Refused(String),
    /// The registry did not say.
    Call(Error),
}

impl Session {
    /// The image with its digest (`sha256:…`). One call for a tag; none for an image that names its digest.
    pub(crate) async fn pinned(&self, image: ImageReference) -> Result<ImageReference, Unpinned> {
        let Some(repository) = Repository::of(&image) else {
            return Err(Unpinned::Refused(format!(
                "Lambda takes images from ECR alone, `<account>.dkr.ecr.<region>.amazonaws.com/…`, and `{}` is elsewhere",
                image.repository
            )));
        };
        // Same page: "The Lambda function must be in the same Region as the registry".
        if let Some(region) = self.region().filter(|region| *region != repository.region) {
            return Err(Unpinned::Refused(format!(
                "the image is in {}, and Lambda takes it from the region of the function alone, {region}",
                repository.region
            )));
        }
        let (None, Some(tag)) = (&image.digest, image.tag.clone()) else {
            return Ok(image);
        };
        let input = json!({
            "registryId": repository.account,
            "repositoryName": repository.name,
            "imageIds": [{ "imageTag": tag }],
        });
        let found = self
            .images()
            .await
            .json::<Images>(ACTION, repository.name, TARGET, &input)
            .await;
        let found = match found {
            Ok(found) => found,
            Err(error) if matches!(*error.why, Why::NotFound) => {
                return Err(Unpinned::Refused(format!(
                    "there is no image `{}:{tag}` in the registry of {} in {}",
                    repository.name, repository.account, repository.region
                )));
            }
            Err(error) => return Err(Unpinned::Call(error)),
        };
        let mut details = found.image_details.into_iter();
        let digest = details.find_map(|detail| detail.image_digest);
        match digest {
            Some(digest) => Ok(image.with_digest(digest)),
            None => Err(Unpinned::Refused(format!(
                "the registry says nothing of the image `{}:{tag}`",
                repository.name
            ))),
        }
    }

    /// Asks for an image that there is not, to find out whether that is allowed: `nowhere` is a tag in the repository of
    /// an image, or without one, or where that is in no private registry, a repository of this account.
    pub(crate) async fn look_at_images(
        &self,
        image: Option<&ImageReference>,
        nowhere: &str,
    ) -> Result<()> {
        let nowhere = nowhere.to_ascii_lowercase();
        let repository = image.and_then(Repository::of);
        let name = repository
            .as_ref()
            .map_or(nowhere.as_str(), |found| found.name);
        let mut input = json!({
            "repositoryName": name,
            "imageIds": [{ "imageTag": nowhere }],
        });
        if let (Some(repository), Some(input)) = (&repository, input.as_object_mut()) {
            input.insert("registryId".to_owned(), json!(repository.account));
        }
        let images = self.images().await;
        let found = images.json::<Images>(ACTION, name, TARGET, &input).await;
        found.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_private_registry_of_aws_is_one() {
        let of = |text: &str| {
            let image: ImageReference = text.parse().unwrap();
            Repository::of(&image)
                .map(|found| format!("{} {} {}", found.account, found.region, found.name))
        };
        for (image, found) in [
            (
                "123456789012.dkr.ecr.eu-west-1.amazonaws.com/receipts:1.4",
                Some("123456789012 eu-west-1 receipts"),
            ),
            (
                "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/pay/receipts:1",
                Some("123456789012 cn-north-1 pay/receipts"),
            ),
            ("ghcr.io/acme/receipts:1.4", None),
            ("public.ecr.aws/acme/receipts:1.4", None),
            ("12345.dkr.ecr.eu-west-1.amazonaws.com/receipts:1.4", None),
        ] {
            assert_eq!(of(image).as_deref(), found, "{image}");
        }
    }
}
