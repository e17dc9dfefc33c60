//! The service is killed at each step from opening a writer to an acknowledgement: the proxies hold
//! a request before a broker has it, or the answer when it has done it.

use std::time::Duration;

use tests::{
    check::invariants::Promise,
    kafka_proxy::{Act, Api, KafkaProxy, Rule},
    proxy::{Terms, Way},
    stage::{Plan, Trial, enter},
    wait::{DEADLINE, wait_until},
};

use super::times;

/// Longer than anything takes here: the answer never comes.
const NEVER: Act = Act::Delay(Duration::from_secs(3_600));

/// A request at which the service is killed.
#[derive(Clone, Copy, Debug)]
struct Step {
    promise: Promise,
    api: Api,
    about: About,
}

/// What a request is about.
#[derive(Clone, Copy, Debug)]
enum About {
    Anything,
    Rows,
    Progress,
}

const fn step(promise: Promise, api: Api, about: About) -> Step {
    Step { promise, api, about }
}

/// Of a writer that is opened: it finds its coordinator, fences, commits its claim, and reads back.
const OPENING: [Step; 6] = [
    step(Promise::ExactlyOnce, Api::FindCoordinator, About::Anything),
    step(Promise::ExactlyOnce, Api::InitProducerId, About::Anything),
    step(Promise::ExactlyOnce, Api::AddPartitionsToTxn, About::Progress),
    step(Promise::ExactlyOnce, Api::Produce, About::Progress),
    step(Promise::ExactlyOnce, Api::EndTxn, About::Anything),
    step(Promise::ExactlyOnce, Api::Fetch, About::Anything),
];

/// Of a writer that writes.
const WRITING: [Step; 6] = [
    step(Promise::ExactlyOnce, Api::AddPartitionsToTxn, About::Rows),
    step(Promise::ExactlyOnce, Api::Produce, About::Rows),
    step(Promise::ExactlyOnce, Api::AddPartitionsToTxn, About::Progress),
    step(Promise::ExactlyOnce, Api::Produce, About::Progress),
    step(Promise::ExactlyOnce, Api::EndTxn, About::Anything),
    step(Promise::AtLeastOnce, Api::Produce, About::Rows),
];

impl Step {
    /// Holds the next request of this kind; `act` says where.
    fn hold(self, trial: &Trial<'_>, act: Act) -> Rule {
        let rule = Rule::new(self.api, act, 1).by(&trial.client_id(self.promise));
        let rule = match self.about {
            About::Anything => rule,
            About::Rows => rule.about(trial.topic(self.promise)),
            About::Progress => rule.about(trial.progress_topic()),
        };
        trial.stage.kafka.iter().for_each(|way| way.obey(&rule));
        rule
    }

    /// Waits until a request is where it is held, and kills the service.
    fn kill(self, trial: &mut Trial<'_>, rule: &Rule, act: Act) {
        let is_there = || if act == NEVER { rule.answered() > 0 } else { rule.met() > 0 };
        wait_until(&format!("{self:?} is held: {act:?}"), DEADLINE, is_there);
        trial.kill_service();
        trial.stage.kafka.iter().for_each(KafkaProxy::heal);
    }
}

#[test]
fn f14_the_service_is_killed_at_every_step_from_opening_to_an_acknowledgement() {
    let mut stage = enter();
    let mut trial = Trial::start(&mut stage, "f14-steps", &Plan::default());
    let (mut at_steps, mut between) = (0, 0);
    for _ in 0..times(1, 6) {
        for act in [Act::Swallow, NEVER] {
            for step in WRITING {
                let rule = step.hold(&trial, act);
                step.kill(&mut trial, &rule, act);
                at_steps += 1;
                trial.start_service();
                trial.goes_on(&format!("killed at {step:?}, {act:?}"));
            }
            for step in OPENING {
                trial.kill_service();
                let rule = step.hold(&trial, act);
                trial.start_service();
                step.kill(&mut trial, &rule, act);
                (at_steps, between) = (at_steps + 1, between + 1);
                trial.start_service();
                trial.goes_on(&format!("killed when it opened at {step:?}, {act:?}"));
            }
        }
        kill_before_the_acknowledgement(&mut trial);
        at_steps += 1;
    }
    println!("f14: {at_steps} kills at steps, {between} before them");
    trial.finish();
}

/// Transactions are committed, and the engines never hear of it.
fn kill_before_the_acknowledgement(trial: &mut Trial<'_>) {
    trial.to_service().spoil(Way::Back, Terms { silent: true, ..Terms::default() });
    let commits = Rule::new(Api::EndTxn, Act::Delay(Duration::ZERO), u64::MAX);
    trial.stage.kafka.iter().for_each(|way| way.obey(&commits));
    wait_until("transactions are committed", DEADLINE, || commits.answered() >= 3);
    trial.kill_service();
    // What the service has said is lost on the way.
    trial.to_service().reset();
    trial.to_service().heal();
    trial.stage.kafka.iter().for_each(KafkaProxy::heal);
    trial.start_service();
    trial.goes_on("killed before the acknowledgement");
}
