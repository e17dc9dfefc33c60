//! What the progress topic, the coordinators and the partitions tell of an output.
//!
//! In this order, so that nothing hangs that has only ended meanwhile: the partitions are asked who
//! has begun something there, then the coordinators what they know of it, then the partitions again
//! about whatever no coordinator knows.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::time::timeout;

use super::coordinators::{COORDINATORS, Coordinators};
use crate::{
    job::{Guarantee, Job, Output},
    kafka::{
        self, Cause, Credentials, FoundProgress, Survey, WriterKeys,
        admin::{AdminFault, Cluster, Described, Layout, Listed, OpenProducer, Span},
        key_prefix, writer_of_id,
    },
};

/// How long the progress topic may still take to be read where no broker can be asked anything
/// else: librdkafka looks for one in its own way, and takes a while to end.
const SURVEY_GRACE: Duration = Duration::from_secs(2);

/// What is known of an output.
#[derive(Default)]
pub(super) struct Facts {
    pub(super) writers: BTreeMap<String, Writer>,
    /// Partitions in which readers of what is committed do not come to the end.
    pub(super) held: Vec<Held>,
    /// Open transactions there that are none of the writers'.
    pub(super) strangers: Vec<Stranger>,
    /// What nobody told.
    pub(super) untold: Vec<Untold>,
}

/// What is known of a writer.
pub(super) struct Writer {
    pub(super) found: FoundProgress,
    /// What its coordinator tells; `None` where writers have no transactions.
    pub(super) transaction: Option<Transaction>,
}

/// A transactional id.
pub(super) struct Transaction {
    pub(super) id: String,
    /// `None` if the coordinator knows no such id.
    pub(super) told: Result<Option<Described>, AdminFault>,
    /// `host:port` of its coordinator.
    pub(super) coordinator: Option<String>,
}

/// A partition that holds readers back.
pub(super) struct Held {
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) span: Span,
}

/// A transaction that is open in a partition and is none of the writers'.
pub(super) struct Stranger {
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) leader: Option<i32>,
    pub(super) span: Span,
    pub(super) open: OpenProducer,
    pub(super) owner: Owner,
}

/// Who will end it.
pub(super) enum Owner {
    /// The coordinator of this transactional id.
    Id(String, Described),
    /// Nobody: no coordinator knows of it. The id that its number belonged to, if one did.
    Nobody(Option<String>),
    /// That cannot be told, and why.
    Untold(String),
}

/// What was asked and not told.
pub(super) enum Untold {
    /// What is stored of the writers.
    Progress(Cause),
    /// A part of it.
    ProgressPart(i32, String),
    /// Anything about transactions.
    Brokers(AdminFault),
    /// A topic's partitions or their offsets.
    Topic(String, AdminFault),
    /// Who has begun something in a partition.
    Producers(String, i32, AdminFault),
    /// The transactional ids of a coordinator.
    Ids(String, AdminFault),
    /// A writer's transactional id.
    Id(String, AdminFault),
}

/// What of an output is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope<'a> {
    /// Everything.
    All,
    /// One writer.
    Writer(&'a str),
    /// Open transactions of others: what writers have stored need not be read for that.
    Others,
}

/// Asks about an output.
pub(super) async fn ask(
    job: &Job,
    output: &Output,
    credentials: &Credentials,
    scope: Scope<'_>,
) -> Facts {
    let is_wanted = Arc::new(AtomicBool::new(true));
    let surveying = {
        let wanted = is_wanted.clone();
        let (name, output, shown) = (job.name.clone(), output.clone(), credentials.clone());
        let (is_read, writer) = match scope {
            Scope::All => (true, None),
            Scope::Writer(writer) => (true, Some(writer.to_owned())),
            Scope::Others => (false, None),
        };
        let goes_on = move || wanted.load(Ordering::Relaxed);
        tokio::task::spawn_blocking(move || match is_read {
            true => kafka::survey(&name, &output, &shown, writer.as_deref(), &goes_on),
            false => Ok(Survey::default()),
        })
    };
    let cluster = Cluster::connect(output, credentials.clone()).await;
    let mut facts = Facts::default();
    let surveyed = match cluster.is_ok() {
        true => surveying.await,
        // Who cannot be reached is told without waiting for librdkafka to say so as well.
        false => {
            is_wanted.store(false, Ordering::Relaxed);
            let late = || Ok(Err(Cause::slow()));
            timeout(SURVEY_GRACE, surveying).await.unwrap_or_else(|_| late())
        }
    };
    let survey = surveyed.unwrap_or_else(|_| {
        Err(Cause::new("PROGRESS_UNREAD", "reading the progress topic has failed by itself"))
    });
    match survey {
        Ok(survey) => {
            let unread = survey.unread.into_iter();
            facts.untold.extend(unread.map(|part| Untold::ProgressPart(part.partition, part.why)));
            facts.writers = survey
                .writers
                .into_iter()
                .map(|(writer, found)| (writer, Writer { found, transaction: None }))
                .collect();
        }
        // Why nobody can be asked is told once, by whoever knows it better.
        Err(cause) if cluster.is_err() && !cause.code.starts_with("PROGRESS") => {
            tracing::debug!(code = cause.code, "{}", cause.text);
        }
        Err(cause) => facts.untold.push(Untold::Progress(cause)),
    }
    match cluster {
        Ok(cluster) => {
            let mut asking = Asking { job, output, cluster, facts };
            match scope {
                Scope::Writer(writer) => asking.writer(writer).await,
                Scope::All | Scope::Others => asking.all().await,
            }
            asking.facts
        }
        Err(fault) => {
            facts.untold.push(Untold::Brokers(fault));
            facts
        }
    }
}

struct Asking<'a> {
    job: &'a Job,
    output: &'a Output,
    cluster: Cluster,
    facts: Facts,
}

/// A producer that has begun something, where.
struct Begun {
    topic: String,
    partition: i32,
    leader: Option<i32>,
    span: Span,
    open: OpenProducer,
}

/// What coordinators know all together.
struct Known {
    listed: Vec<Listed>,
    /// Why it may not be all, if so.
    missing: Option<String>,
    /// Who they were before they were asked.
    coordinators: Result<Coordinators, String>,
}

impl Asking<'_> {
    async fn writer(&mut self, writer: &str) {
        if !self.is_exact() {
            return;
        }
        let transaction = self.describe(self.id(writer)).await;
        self.note_untold(&transaction);
        let is_known = matches!(transaction.told, Ok(Some(_)));
        if is_known || self.facts.writers.contains_key(writer) {
            self.put(writer.to_owned(), transaction);
        }
    }

    async fn all(&mut self) {
        let begun = self.begun().await;
        if !self.is_exact() && begun.is_empty() {
            return;
        }
        let known = self.known().await;
        if self.is_exact() {
            self.writers(&known).await;
        }
        self.strangers(begun, &known).await;
    }

    fn is_exact(&self) -> bool {
        self.output.guarantee == Guarantee::ExactlyOnce
    }

    fn id(&self, writer: &str) -> String {
        let alias = self.output.alias.as_str();
        WriterKeys::of(&self.job.name, alias, "exactlyOnce", writer).transactional_id
    }

    fn put(&mut self, writer: String, transaction: Transaction) {
        let found = FoundProgress::default();
        let known = self.facts.writers.entry(writer).or_insert(Writer { found, transaction: None });
        known.transaction = Some(transaction);
    }

    async fn describe(&mut self, id: String) -> Transaction {
        let told = self.cluster.transaction(&id).await;
        let broker = told.as_ref().ok().and_then(|told| told.as_ref().map(|told| told.broker));
        let coordinator = broker.map(|broker| self.cluster.place(broker));
        Transaction { id, told, coordinator }
    }

    /// Why a transactional id is not told is told once: it is the same for all of them.
    fn note_untold(&mut self, transaction: &Transaction) {
        let untold = &mut self.facts.untold;
        if let Err(fault) = &transaction.told
            && !untold.iter().any(|told| matches!(told, Untold::Id(..)))
        {
            untold.push(Untold::Id(transaction.id.clone(), fault.clone()));
        }
    }

    /// All writers, those that have stored nothing yet as well.
    async fn writers(&mut self, known: &Known) {
        let prefix = key_prefix(&self.job.name, self.output.alias.as_str(), "exactlyOnce");
        let listed = known.listed.iter().filter_map(|listed| writer_of_id(&prefix, &listed.id));
        let stored = self.facts.writers.keys().cloned();
        let writers: BTreeSet<String> = listed.chain(stored).collect();
        for writer in writers {
            let transaction = self.describe(self.id(&writer)).await;
            self.note_untold(&transaction);
            self.put(writer, transaction);
        }
    }

    /// Looks where readers are held back, and who has begun something there.
    async fn begun(&mut self) -> Vec<Begun> {
        let mut topics = vec![self.output.topic.to_string()];
        topics.extend(self.output.dead_letters.as_ref().map(ToString::to_string));
        topics.push(self.output.progress_topic.to_string());
        let names: Vec<&str> = topics.iter().map(String::as_str).collect();
        let layouts = match self.cluster.layout(&names).await {
            Ok(layouts) => layouts,
            Err(fault) => {
                self.facts.untold.push(Untold::Brokers(fault));
                return Vec::new();
            }
        };
        let mut begun = Vec::new();
        for (topic, layout) in topics.iter().zip(layouts) {
            match layout {
                Ok(layout) => self.held(topic, &layout, &mut begun).await,
                // It is made when it is needed.
                Err(fault) if fault.is_missing_topic() && *topic != topics[0] => {}
                Err(fault) => self.facts.untold.push(Untold::Topic(topic.clone(), fault)),
            }
        }
        begun
    }

    async fn held(&mut self, topic: &str, layout: &Layout, begun: &mut Vec<Begun>) {
        let spans = self.cluster.spans(topic, layout).await;
        let mut untold = None;
        for (partition, span) in spans {
            let leader = layout.leaders.get(&partition).copied().flatten();
            let span = match span {
                Ok(span) if span.stable < span.end => span,
                Ok(_) => continue,
                Err(fault) => {
                    untold = untold.or(Some(fault));
                    continue;
                }
            };
            self.facts.held.push(Held { topic: topic.to_owned(), partition, span });
            match self.cluster.open_producers(topic, partition, leader).await {
                Ok(open) => begun.extend(open.into_iter().map(|open| Begun {
                    topic: topic.to_owned(),
                    partition,
                    leader,
                    span,
                    open,
                })),
                Err(fault) => {
                    self.facts.untold.push(Untold::Producers(topic.to_owned(), partition, fault));
                }
            }
        }
        if let Some(fault) = untold {
            self.facts.untold.push(Untold::Topic(topic.to_owned(), fault));
        }
    }

    /// All transactional ids.
    async fn known(&mut self) -> Known {
        let coordinators = self.coordinators().await;
        let (listed, faults) = self.cluster.transactions().await;
        let mut missing = None;
        for (broker, fault) in faults {
            let place = self.cluster.place(broker);
            missing = missing.or_else(|| Some(fault.to_string()));
            let is_told =
                |told: &Untold| matches!(told, Untold::Ids(_, told) if told.is_unsupported());
            if !(fault.is_unsupported() && self.facts.untold.iter().any(is_told)) {
                self.facts.untold.push(Untold::Ids(place, fault));
            }
        }
        Known { listed, missing, coordinators }
    }

    async fn coordinators(&mut self) -> Result<Coordinators, String> {
        let told = self.cluster.layout(&[COORDINATORS]).await;
        Coordinators::of(told.and_then(|mut told| told.swap_remove(0)))
    }

    /// Why coordinators may know of more than they have told.
    async fn unseen(&mut self, known: &Known) -> Option<String> {
        if let Some(missing) = &known.missing {
            return Some(missing.clone());
        }
        // Whoever has to grant rights learns of all of them at once.
        let whys: Vec<String> =
            [self.hidden_ids().await, self.moved(known).await].into_iter().flatten().collect();
        (!whys.is_empty()).then(|| whys.join("; and "))
    }

    /// Why ids may have been left out of the list.
    async fn hidden_ids(&mut self) -> Option<String> {
        // Ids that a user may not see are left out of the list without a word. Whoever may see one
        // that nobody has may see all.
        let nobodys = format!("nobody-{:016x}", fastrand::u64(..));
        match self.cluster.transaction(&nobodys).await {
            Ok(_) => None,
            Err(fault) if fault.is_denied() => Some(
                "the output's user may not see all transactional ids: grant it DESCRIBE on \
                 transactional ids `*`, or ask as somebody who may"
                    .to_owned(),
            ),
            Err(fault) => Some(fault.to_string()),
        }
    }

    /// Why ids may be kept by a coordinator that was not asked, or not then.
    async fn moved(&mut self, known: &Known) -> Option<String> {
        // Ids move from one to another, perhaps from one that was not asked yet to one that was.
        match (&known.coordinators, &self.coordinators().await) {
            (Err(why), _) | (_, Err(why)) => Some(why.clone()),
            (Ok(before), Ok(now)) if before != now => {
                Some("transactional ids have moved to other coordinators meanwhile".to_owned())
            }
            (Ok(Coordinators::None), _) => None,
            (Ok(Coordinators::Leaders(leaders)), _) => {
                let away = leaders.values().find(|&&leader| !self.cluster.has(leader))?;
                Some(format!("broker {away} is away, which may know of it"))
            }
        }
    }

    async fn strangers(&mut self, begun: Vec<Begun>, known: &Known) {
        let mut unseen = None;
        for begun in begun {
            let listed = known.listed.iter().find(|id| id.producer_id == begun.open.producer_id);
            let id = listed.map(|listed| listed.id.clone());
            let owner = match &id {
                Some(id) => self.owner(id, &begun).await,
                None => None,
            };
            let owner = match owner {
                Some(Owner::Id(id, _)) if self.is_writers(&id) => continue,
                Some(owner) => owner,
                None if !self.is_still_open(&begun).await => continue,
                None => {
                    if unseen.is_none() {
                        unseen = Some(self.unseen(known).await);
                    }
                    match unseen.clone().flatten() {
                        Some(why) if id.is_none() => Owner::Untold(why),
                        _ => Owner::Nobody(id),
                    }
                }
            };
            let Begun { topic, partition, leader, span, open } = begun;
            self.facts.strangers.push(Stranger { topic, partition, leader, span, open, owner });
        }
    }

    /// The transaction that an open one in a partition is part of, if its coordinator knows so.
    async fn owner(&mut self, id: &str, begun: &Begun) -> Option<Owner> {
        match self.cluster.transaction(id).await {
            Ok(Some(told)) => {
                let partitions = told.partitions.get(&begun.topic);
                let is_part = partitions.is_some_and(|all| all.contains(&begun.partition));
                let is_part = is_part && told.producer_id == begun.open.producer_id;
                (told.state.is_open() && is_part).then(|| Owner::Id(id.to_owned(), told))
            }
            Ok(None) => None,
            Err(fault) => Some(Owner::Untold(fault.to_string())),
        }
    }

    fn is_writers(&self, id: &str) -> bool {
        let ids = self.facts.writers.values().filter_map(|writer| writer.transaction.as_ref());
        ids.into_iter().any(|transaction| transaction.id == id)
    }

    /// What has ended meanwhile does not hang.
    async fn is_still_open(&mut self, begun: &Begun) -> bool {
        let Begun { topic, partition, leader, open, .. } = begun;
        match self.cluster.open_producers(topic, *partition, *leader).await {
            Ok(now) => now.iter().any(|now| {
                (now.producer_id, now.start_offset) == (open.producer_id, open.start_offset)
            }),
            // It was open, and nobody says that it is not.
            Err(_) => true,
        }
    }
}
