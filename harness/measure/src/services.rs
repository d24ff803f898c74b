//! Services: what servers need beside themselves. They are started when the first block needs them,
//! checked before each, and end with this value.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use tokio::runtime::Runtime;

use crate::MeasureError;
use crate::server::{external, resolve};
use duet_loadgen::reference::{self, Patience};
use duet_loadgen::response::reference::ReferenceResponse;
use duet_model::record::{Failure, Memory, ServiceCpus, ServiceHeader, Stage};
use duet_model::spec::{Service, ServiceKind, ServicePer, Spec, Workload};
use duet_process::child::{self, Tail};
use duet_process::interrupt::Interrupt;
use duet_process::supervised::{self, Supervised};
use duet_process::{proc, tree};

mod limit;
mod postgres;
pub mod work;

use limit::late;
pub use postgres::{HOW_TO_GET, Installed, NONE, SETTINGS, find};

/// Between two looks whether a service is ready.
const PAUSE: Duration = Duration::from_millis(5);

/// How long a connection to a service may take, and a response of it.
const CONNECT_LIMIT: Duration = Duration::from_millis(500);

/// How long a service may take to end by itself after its clients have seen errors.
const END_LIMIT: Duration = Duration::from_millis(500);

/// Where services are found and where they run.
#[derive(Debug, Clone)]
pub struct Places {
    /// The folder above the definitions, in which commands run.
    pub root: PathBuf,
    /// The folder of definitions.
    pub definitions: PathBuf,
    /// The folder of PostgreSQL, where the user named one.
    pub postgres: Option<PathBuf>,
    /// The CPUs that services are pinned to; empty: all.
    pub cpus: Vec<usize>,
    /// Whose they are.
    pub shared_with: ServiceCpus,
}

/// All services that run. Dropping it ends them.
#[derive(Debug)]
pub struct Services {
    places: Places,
    interrupt: Interrupt,
    installed: OnceCell<Installed>,
    runtime: Runtime,
    running: RefCell<BTreeMap<String, Running>>,
}

/// What each arm is told: placeholders and what they stand for.
pub type Told = Vec<(String, String)>;

#[derive(Debug)]
enum Running {
    Postgres(Box<postgres::Postgres>),
    /// One for each arm that there has been, or one for all.
    Instances(Vec<Instance>),
}

/// A process that listens at a TCP port.
#[derive(Debug)]
struct Instance {
    process: Supervised,
    addr: SocketAddr,
    stderr: Tail,
}

impl Services {
    /// None runs yet.
    ///
    /// # Errors
    /// When the system refuses what the client of databases needs.
    pub fn new(places: Places, interrupt: &Interrupt) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("failed to start the runtime of the database's client")?;
        let interrupt = interrupt.clone();
        let (installed, running) = (OnceCell::new(), RefCell::default());
        Ok(Self { places, interrupt, installed, runtime, running })
    }

    /// How a service is set up, for the head of a record.
    #[must_use]
    pub fn header(&self, service: &Service) -> ServiceHeader {
        let of_postgres = service.kind == ServiceKind::Postgres;
        let installed = of_postgres.then(|| self.installed().ok()).flatten();
        let settings = SETTINGS.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        ServiceHeader {
            name: service.name.clone(),
            version: installed.map(|installed| installed.version.clone()),
            settings: if of_postgres { settings.collect() } else { vec![] },
            cpus: self.places.cpus.clone(),
            shared_with: self.places.shared_with,
        }
    }

    /// Whether what a service runs is there.
    ///
    /// # Errors
    /// When it is not.
    pub fn find(&self, service: &Service) -> Result<()> {
        match service.kind {
            ServiceKind::Postgres => self.installed().map(drop),
            ServiceKind::Upstream | ServiceKind::Command => Ok(()),
        }
    }

    fn installed(&self) -> Result<&Installed> {
        if self.installed.get().is_none() {
            let found = find(self.places.postgres.as_deref(), &self.places.root)?;
            // Nobody else can have set it.
            let _ = self.installed.set(found);
        }
        self.installed.get().context("it was found")
    }

    /// Has the services of workloads ready for so many arms: those that do not run, or no longer
    /// do, are started; databases are cloned afresh. Returns what each arm is told.
    ///
    /// # Errors
    /// A failure of a service, or an interruption.
    pub fn ready<'a>(
        &self,
        spec: &Spec,
        workloads: impl IntoIterator<Item = &'a Workload>,
        arms: usize,
    ) -> Result<Vec<Told>, MeasureError> {
        let mut told = vec![Told::new(); arms];
        let mut names: Vec<&String> = workloads.into_iter().flat_map(|w| &w.services).collect();
        names.sort();
        names.dedup();
        for service in names.into_iter().filter_map(|name| spec.service(name)) {
            let addresses = self.one_ready(service, arms);
            let addresses = addresses.map_err(|error| failure(service, error, Stage::Service))?;
            for (told, address) in told.iter_mut().zip(addresses) {
                told.push((Service::placeholder(&service.name), address));
            }
        }
        Ok(told)
    }

    fn one_ready(&self, service: &Service, arms: usize) -> Result<Vec<String>, MeasureError> {
        let mut all = self.running.borrow_mut();
        let has_ended =
            |running: &mut Running| running.ended().is_some() || running.lacks(service, arms);
        if service.per == ServicePer::Block || all.get_mut(&service.name).is_some_and(has_ended) {
            all.remove(&service.name);
        }
        if !all.contains_key(&service.name) {
            all.insert(service.name.clone(), self.start(service, arms)?);
        }
        let running = all.get(&service.name).context("it was started")?;
        if let Running::Postgres(postgres) = running {
            postgres.clone_databases(&self.runtime, arms)?;
        }
        Ok((0..arms).map(|arm| running.address(arm)).collect())
    }

    fn start(&self, service: &Service, arms: usize) -> Result<Running, MeasureError> {
        let instances = |n: usize| {
            let all = (0..n).map(|_| self.start_instance(service));
            all.collect::<Result<_, _>>().map(Running::Instances)
        };
        match service.kind {
            ServiceKind::Command => instances(1),
            ServiceKind::Upstream => instances(arms),
            ServiceKind::Postgres => {
                let start = postgres::Start {
                    service,
                    definitions: &self.places.definitions,
                    installed: self.installed()?,
                    cpus: &self.places.cpus,
                    runtime: &self.runtime,
                    interrupt: &self.interrupt,
                };
                Ok(Running::Postgres(Box::new(postgres::Postgres::start(&start)?)))
            }
        }
    }

    fn start_instance(&self, service: &Service) -> Result<Instance, MeasureError> {
        let addr = SocketAddr::from(([127, 0, 0, 1], external::free_port()?));
        let own = std::env::current_exe().context("failed to find this program's own binary")?;
        let own = [own.display().to_string(), "upstream".into(), "--addr".into(), "{addr}".into()];
        let of_upstream = service.kind == ServiceKind::Upstream;
        let words = if of_upstream { &own[..] } else { &service.run[..] };
        let fill = |word: &String| {
            let word = word.replace("{addr}", &addr.to_string());
            word.replace("{host}", &addr.ip().to_string())
                .replace("{port}", &addr.port().to_string())
        };
        let (program, arguments) = words.split_first().context("its command is empty")?;
        let mut command = Command::new(resolve(&self.places.root, program));
        command.args(arguments.iter().map(fill)).current_dir(&self.places.root);
        let outputs = (Stdio::null(), Stdio::piped());
        let mut process = supervised::start(&command, &self.places.cpus, outputs)
            .with_context(|| format!("failed to start {}", words.join(" ")))?;
        let stderr = process.take_outputs().1.map(Tail::follow).transpose()?.map(|(tail, _)| tail);
        let mut instance = Instance { process, addr, stderr: stderr.unwrap_or_default() };
        let deadline = Instant::now() + service.start_limit();
        while !is_ready(addr, service.ready.as_deref()) {
            self.interrupt.check()?;
            if let Some(how) = instance.ended() {
                Err(anyhow!(how))?;
            }
            if Instant::now() >= deadline {
                Err(anyhow!(late("it", service)))?;
            }
            thread::sleep(PAUSE);
        }
        Ok(instance)
    }

    /// The first service of a workload that has ended, and how. After an error: one that is ending
    /// has a moment.
    #[must_use]
    pub fn ended(&self, workload: &Workload) -> Option<Failure> {
        if workload.services.is_empty() {
            return None;
        }
        let deadline = Instant::now() + END_LIMIT;
        loop {
            let ended = self.ended_now(workload);
            if ended.is_some() || Instant::now() >= deadline {
                return ended;
            }
            thread::sleep(PAUSE);
        }
    }

    fn ended_now(&self, workload: &Workload) -> Option<Failure> {
        let mut all = self.running.borrow_mut();
        let mut ended = |name: &String| {
            let how = all.get_mut(name)?.ended()?;
            Some(Failure {
                stage: Stage::Drive,
                server: None,
                error: format!("the service {name} ended: {how}"),
                stderr: vec![],
            })
        };
        workload.services.iter().find_map(&mut ended)
    }

    /// Ends the services of a workload that are started for every block.
    pub fn end_block(&self, spec: &Spec, workload: &Workload) {
        for service in spec.services_of(workload).filter(|s| s.per == ServicePer::Block) {
            self.running.borrow_mut().remove(&service.name);
        }
    }

    /// CPU time of a service's processes so far, and of all processes on its CPUs.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(crate) fn cpu_ns(&self, name: &str) -> Result<(u64, u64)> {
        let all = self.running.borrow();
        let roots = all.get(name).map(Running::roots).unwrap_or_default();
        let own =
            roots.into_iter().map(|root| tree::cpu_ns(root, None)).sum::<std::io::Result<u64>>();
        let own = own.with_context(|| format!("failed to read the CPU clocks of {name}"))?;
        let mut stat = proc::StolenTime::open().context("failed to open /proc/stat")?;
        let stat = stat.read().context("failed to read /proc/stat")?;
        Ok((own, proc::process_ns(stat, &self.places.cpus)))
    }

    /// How many connections each arm has open to the database of a workload, where it has one.
    ///
    /// # Errors
    /// When the database does not say.
    pub(crate) fn connections(&self, workload: &Workload, arms: usize) -> Result<Vec<Option<u64>>> {
        let all = self.running.borrow();
        let mut of_service = workload.services.iter().filter_map(|name| all.get(name));
        let postgres = of_service.find_map(|running| match running {
            Running::Postgres(postgres) => Some(postgres),
            Running::Instances(_) => None,
        });
        let Some(postgres) = postgres else { return Ok(vec![None; arms]) };
        (0..arms).map(|arm| postgres.connections(&self.runtime, arm).map(Some)).collect()
    }

    /// Memory of a service's processes.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn memory(&self, name: &str) -> Result<Memory> {
        let all = self.running.borrow();
        let mut memory = Memory::default();
        for root in all.get(name).map(Running::roots).unwrap_or_default() {
            let of =
                tree::memory(root).with_context(|| format!("failed to read memory of {name}"))?;
            memory.rss_bytes += of.rss_bytes;
            memory.pss_bytes += of.pss_bytes;
            memory.private_bytes += of.private_bytes;
        }
        Ok(memory)
    }

    /// Whether they run on the generator's CPUs.
    pub(crate) fn shares_cpus(&self) -> bool {
        self.places.shared_with == ServiceCpus::Generator
    }

    /// How many CPUs services are pinned to.
    pub(crate) fn cpus(&self) -> u32 {
        self.places.cpus.len() as u32
    }
}

/// The failure that an error of a service is; an interruption stays one.
fn failure(service: &Service, error: MeasureError, stage: Stage) -> MeasureError {
    let of_service = |error: String| {
        let error = format!("the service {}: {error}", service.name);
        Failure { stage, server: None, error, stderr: vec![] }
    };
    error.failure_or(of_service).map_or_else(MeasureError::from, MeasureError::from)
}

/// Whether something accepts connections and, where a path is named, answers it with status 200.
fn is_ready(addr: SocketAddr, path: Option<&str>) -> bool {
    match path {
        None => TcpStream::connect_timeout(&addr, CONNECT_LIMIT).is_ok(),
        Some(path) => get(addr, path).is_ok_and(|response| response.status == 200),
    }
}

/// The response to a request.
fn get(addr: SocketAddr, path: &str) -> Result<ReferenceResponse, String> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n");
    let patience = Patience::new(CONNECT_LIMIT);
    let response = reference::fetch(&addr.into(), request.as_bytes(), false, patience);
    response.map_err(|error| error.to_string())
}

impl Running {
    /// How it ended, if it has.
    fn ended(&mut self) -> Option<String> {
        match self {
            Self::Postgres(postgres) => postgres.ended(),
            Self::Instances(all) => all.iter_mut().find_map(Instance::ended),
        }
    }

    /// Whether there are arms that it has no instance for.
    fn lacks(&self, service: &Service, arms: usize) -> bool {
        match self {
            Self::Instances(all) => service.kind == ServiceKind::Upstream && all.len() < arms,
            Self::Postgres(_) => false,
        }
    }

    fn address(&self, arm: usize) -> String {
        match self {
            Self::Postgres(postgres) => postgres.url(arm),
            Self::Instances(all) => {
                let instance = all.get(arm).or_else(|| all.first());
                instance.map_or_else(String::new, |instance| format!("http://{}", instance.addr))
            }
        }
    }

    fn roots(&self) -> Vec<i32> {
        match self {
            Self::Postgres(postgres) => vec![postgres.root()],
            Self::Instances(all) => all.iter().map(|instance| instance.process.root()).collect(),
        }
    }
}

impl Instance {
    fn ended(&mut self) -> Option<String> {
        let status = match self.process.try_wait() {
            Ok(status) => status?,
            Err(error) => return Some(format!("{error:#}")),
        };
        let said = self.stderr.lines().last().map(|line| format!("; it says: {line}"));
        Some(format!("it {}{}", child::describe(status), said.unwrap_or_default()))
    }
}

/// The services that need what is not there, and why: the cells that need them can be left out.
///
/// # Errors
/// When the folder that the user named has no PostgreSQL.
pub fn absent<'a>(
    services: impl IntoIterator<Item = &'a Service>,
    postgres: Option<&Path>,
    root: &Path,
) -> Result<Vec<(&'a Service, String)>> {
    let of_postgres: Vec<&Service> =
        services.into_iter().filter(|s| s.kind == ServiceKind::Postgres).collect();
    if of_postgres.is_empty() {
        return Ok(vec![]);
    }
    match find(postgres, root) {
        Ok(_) => Ok(vec![]),
        Err(error) if postgres.is_some_and(|folder| folder != Path::new(NONE)) => Err(error),
        Err(error) => Ok(of_postgres.into_iter().map(|s| (s, format!("{error:#}"))).collect()),
    }
}
