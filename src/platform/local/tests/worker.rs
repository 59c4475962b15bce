//! Workers: processes that take no requests.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_runs_without_a_port_and_moves_with_its_traffic() {
    let home = Home::new();
    let service = ServiceName::new("shop").unwrap();
    for digest in ["a", "b"] {
        let mut release = home.release("shop", digest);
        release.service.kind = crate::domain::service::Kind::Worker;
        release.service.run.command = vec!["sleep".into(), "600".into()];
        let published = home.local.publish(&release, &|_| {}).await.unwrap();
        assert_eq!(published.address, None);
        home.shift("shop", published.revision.0).await;
    }
    until(|| home.processes().len() == 1).await;
    let live = home.local.observe(&service).await.unwrap();
    assert_eq!(live.address, None);
    let health: Vec<_> = live.revisions.iter().map(|one| one.health).collect();
    assert_eq!(health, [Health::Stopped, Health::Ok]);
}
