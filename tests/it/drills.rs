//! The drills of docs/operations.md, typed as printed: a page that lies at three in the morning is worse than none. Real
//! services, behind the nginx that ships.

mod through_nginx {
    use std::process::Command;

    use tempfile::TempDir;
    use testkit::gateway::{self, Addresses};
    use testkit::port::ReservedPort;
    use testkit::process::{Process, Ready};

    use crate::deployment::{DecisionService, binary, workspace};
    use crate::upstream::Upstream;

    /// The shell blocks of a drill, in one script.
    fn drill(page: &str, name: &str) -> String {
        let marked = page
            .split(&format!("<!-- drill {name} -->"))
            .nth(1)
            .and_then(|rest| rest.split("<!-- end drill -->").next())
            .unwrap_or_else(|| panic!("the drill {name}"));
        marked.split("```bash\n").skip(1).filter_map(|block| block.split("```").next()).collect()
    }

    /// What the comments promise, in the order of the lines that print it.
    fn promised(script: &str) -> Vec<&str> {
        script.lines().filter_map(|line| line.strip_prefix("# prints ")).collect()
    }

    /// Everything around the service that the drill stops and starts.
    struct House {
        public: ReservedPort,
        management: ReservedPort,
        gateway: ReservedPort,
        folder: TempDir,
        _decisions: DecisionService,
        _upstream: Upstream,
        _nginx: Process,
    }

    impl House {
        async fn start() -> Self {
            let [public, management] = [ReservedPort::new(), ReservedPort::new()];
            let folder = tempfile::tempdir().unwrap();
            let userinfo = format!("http://{}/tokeninfo", public.address());
            let (decisions, upstream) = (DecisionService::start(&userinfo, &[]).await, Upstream::start());
            let files = folder.path().join("nginx");
            let (gateway, nginx) = Process::start_on_free_port(|port| {
                let addresses = Addresses {
                    gateway: port.address(),
                    authorization_service: decisions.address,
                    client_credentials: public.address(),
                    service: upstream.address,
                };
                let command = gateway::nginx(workspace(), &files, &addresses).unwrap();
                (command, Ready::Listens(port.address()))
            })
            .await;
            Self {
                public,
                management,
                gateway,
                folder,
                _decisions: decisions,
                _upstream: upstream,
                _nginx: nginx,
            }
        }

        /// What an operator's machine has: the service, started as a system service would be.
        fn machine(&self) -> String {
            let programs = binary("client-credentials").parent().unwrap().display().to_string();
            let (public, management) = (self.public.number(), self.management.number());
            format!(
                "set -eu\n\
                 PATH={programs}:$PATH\n\
                 export HTTP_HOST=127.0.0.1 HTTP_PORT={public} MANAGEMENT_PORT={management} DATA_DIR=$PWD/data\n\
                 export MIA_JWT_ISSUER=http://localhost:{} DELAY_SHUTDOWN_SECONDS=0 LOG_LEVEL=silent\n\
                 export SIGNING_KEYS_ENCRYPTION_KEY=$(openssl rand -base64 32)\n\
                 systemctl() {{\n\
                   if [ $1 = stop ]; then kill $SERVICE; wait $SERVICE; return; fi\n\
                   client-credentials & SERVICE=$!\n\
                   curl -s -o /dev/null --retry 60 --retry-connrefused --retry-delay 1 http://127.0.0.1:{public}/-/ready\n\
                 }}\n\
                 trap 'kill -9 $SERVICE' EXIT\n\
                 systemctl start\n",
                self.gateway.number(),
            )
        }
    }

    async fn follow(name: &str) {
        let page = std::fs::read_to_string(workspace().join("docs/operations.md")).unwrap();
        let house = House::start().await;
        let typed: String = ["place", "client", name].map(|part| drill(&page, part)).concat();
        let promised = promised(&typed);
        assert!(promised.len() > 3, "{promised:?}");
        let commands = typed
            .replace("http://127.0.0.1:8080", &format!("http://{}", house.gateway.address()))
            // Ten minutes are not waited for.
            .replace("sleep 600\ngettone keys rotate\n", "gettone keys rotate --immediately\n");
        let script = format!("{}{commands}", house.machine());
        let output =
            Command::new("bash").args(["-c", &script]).current_dir(house.folder.path()).output().unwrap();
        let printed = String::from_utf8_lossy(&output.stdout);
        let printed: Vec<_> = printed.lines().filter(|line| line.starts_with("orders: ")).collect();
        assert_eq!(printed, promised, "{}", String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_signing_key_is_rotated_as_the_page_says() {
        follow("rotation").await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn tokens_secrets_and_keys_are_revoked_as_the_page_says() {
        follow("emergency").await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn lost_data_is_restored_as_the_page_says() {
        follow("restore").await;
    }
}
