//! The broker with real sockets and rumqttc clients.

use rumqttc::{AsyncClient, Event, EventLoop, LastWill, MqttOptions, Publish, QoS};
use tokio::sync::mpsc;

use super::*;
use crate::scripted::DEADLINE;
use crate::simulate::testing::eventually;

async fn broker() -> Broker {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    Broker::start(listener, Clock::start()).unwrap()
}

fn options(broker: &Broker, id: &str) -> MqttOptions {
    let mut options = MqttOptions::new(id, "127.0.0.1", broker.address().port());
    options.set_keep_alive(Duration::from_secs(30));
    options.set_max_packet_size(MAX_PACKET, MAX_PACKET);
    options
}

/// A client whose connection lives as long as it does: dropped, the socket breaks without a DISCONNECT.
struct Peer {
    client: AsyncClient,
    packets: mpsc::Receiver<Packet>,
    task: JoinHandle<()>,
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Peer {
    fn new(options: MqttOptions) -> Self {
        let (client, events) = AsyncClient::new(options, 2_000);
        let (heard, packets) = mpsc::channel(20_000);
        Self { client, packets, task: tokio::spawn(pump(events, heard)) }
    }

    async fn packet(&mut self) -> Packet {
        tokio::time::timeout(DEADLINE, self.packets.recv()).await.expect("a packet in time").expect("a connection")
    }

    async fn connected(&mut self) -> bool {
        loop {
            if let Packet::ConnAck(ack) = self.packet().await {
                return ack.session_present;
            }
        }
    }

    async fn subscribe(&mut self, filter: &str, qos: QoS) {
        self.client.subscribe(filter, qos).await.unwrap();
        while !matches!(self.packet().await, Packet::SubAck(_)) {}
    }

    async fn publish(&mut self, topic: &str, qos: QoS, retain: bool, payload: &str) {
        self.client.publish(topic, qos, retain, payload).await.unwrap();
        if qos == QoS::AtLeastOnce {
            while !matches!(self.packet().await, Packet::PubAck(_)) {}
        }
    }

    async fn message(&mut self) -> Publish {
        loop {
            if let Packet::Publish(publish) = self.packet().await {
                return publish;
            }
        }
    }

    async fn texts(&mut self, n: usize) -> Vec<String> {
        let mut texts = Vec::new();
        for _ in 0..n {
            texts.push(text(&self.message().await));
        }
        texts
    }
}

/// Ends with its connection: a test that wants another makes another peer.
async fn pump(mut events: EventLoop, heard: mpsc::Sender<Packet>) {
    while let Ok(event) = events.poll().await {
        if let Event::Incoming(packet) = event
            && heard.send(packet).await.is_err()
        {
            return;
        }
    }
}

fn text(publish: &Publish) -> String {
    String::from_utf8(publish.payload.to_vec()).unwrap()
}

async fn peer(broker: &Broker, id: &str) -> Peer {
    let mut peer = Peer::new(options(broker, id));
    peer.connected().await;
    peer
}

fn persistent(broker: &Broker, id: &str) -> MqttOptions {
    let mut options = options(broker, id);
    options.set_clean_session(false);
    options
}

#[tokio::test]
async fn wildcards_get_what_they_ask_for_and_both_qos_arrive() {
    let broker = broker().await;
    let mut plus = peer(&broker, "plus").await;
    plus.subscribe("sensors/+/gas", QoS::AtLeastOnce).await;
    let mut hash = peer(&broker, "hash").await;
    hash.subscribe("sensors/#", QoS::AtMostOnce).await;
    let mut publisher = peer(&broker, "publisher").await;
    publisher.publish("sensors/a/gas", QoS::AtLeastOnce, false, "1").await;
    publisher.publish("sensors/a/door", QoS::AtLeastOnce, false, "2").await;
    publisher.publish("elsewhere", QoS::AtLeastOnce, false, "3").await;
    publisher.publish("sensors/b/gas", QoS::AtMostOnce, false, "4").await;
    let first = plus.message().await;
    assert_eq!((first.qos, text(&first).as_str()), (QoS::AtLeastOnce, "1"));
    let second = plus.message().await;
    assert_eq!((second.qos, text(&second).as_str()), (QoS::AtMostOnce, "4"));
    assert_eq!(hash.texts(3).await, ["1", "2", "4"]);
    broker.stop().await;
}

#[tokio::test]
async fn a_persistent_session_gets_what_it_missed_and_a_clean_one_does_not() {
    let broker = broker().await;
    for (id, clean) in [("kept", false), ("clean", true)] {
        let mut options = options(&broker, id);
        options.set_clean_session(clean);
        let mut subscriber = Peer::new(options);
        assert!(!subscriber.connected().await);
        subscriber.subscribe("t", QoS::AtLeastOnce).await;
    }
    let mut publisher = peer(&broker, "publisher").await;
    eventually("both are gone", async || {
        let hub = lock(&broker.hub);
        hub.connected() == 1
    })
    .await;
    for n in 0..50 {
        publisher.publish("t", QoS::AtLeastOnce, false, &n.to_string()).await;
    }
    publisher.publish("t", QoS::AtMostOnce, false, "light").await;
    publisher.publish("t", QoS::AtLeastOnce, false, "last").await;
    let mut kept = Peer::new(persistent(&broker, "kept"));
    assert!(kept.connected().await);
    let expected: Vec<String> = (0..50).map(|n| n.to_string()).chain(["last".into()]).collect();
    assert_eq!(kept.texts(51).await, expected);
    assert!(!peer_present(&broker, "clean").await);
    broker.stop().await;
}

async fn peer_present(broker: &Broker, id: &str) -> bool {
    Peer::new(options(broker, id)).connected().await
}

#[tokio::test]
async fn what_was_not_acknowledged_comes_again_marked_and_in_order() {
    let broker = broker().await;
    let mut manual = persistent(&broker, "slow");
    manual.set_manual_acks(true);
    let mut slow = Peer::new(manual.clone());
    slow.connected().await;
    slow.subscribe("t", QoS::AtLeastOnce).await;
    let mut publisher = peer(&broker, "publisher").await;
    for n in 0..5 {
        publisher.publish("t", QoS::AtLeastOnce, false, &n.to_string()).await;
    }
    for n in 0..5 {
        let message = slow.message().await;
        assert!(!message.dup);
        if n < 2 {
            slow.client.ack(&message).await.unwrap();
        }
    }
    eventually("two acknowledgements", async || lock(&broker.hub).unacknowledged("slow") == 3).await;
    drop(slow);
    let mut again = Peer::new(manual);
    assert!(again.connected().await);
    publisher.publish("t", QoS::AtLeastOnce, false, "5").await;
    for expected in ["2", "3", "4", "5"] {
        let message = again.message().await;
        assert_eq!((text(&message).as_str(), message.dup), (expected, expected != "5"));
        again.client.ack(&message).await.unwrap();
    }
    eventually("nothing owed", async || lock(&broker.hub).unacknowledged("slow") == 0).await;
    assert_eq!(broker.counts().redelivered, 3);
    broker.stop().await;
}

#[tokio::test]
async fn the_window_holds_the_rest_back_until_acknowledged() {
    let broker = broker().await;
    let mut manual = persistent(&broker, "slow");
    manual.set_manual_acks(true);
    let mut slow = Peer::new(manual);
    slow.connected().await;
    slow.subscribe("t", QoS::AtLeastOnce).await;
    let mut publisher = peer(&broker, "publisher").await;
    for n in 0..=WINDOW {
        publisher.publish("t", QoS::AtLeastOnce, false, &n.to_string()).await;
    }
    let mut first = None;
    for _ in 0..WINDOW {
        let message = slow.message().await;
        first.get_or_insert(message);
    }
    assert_eq!(broker.counts().sent, WINDOW as u64);
    slow.client.ack(&first.unwrap()).await.unwrap();
    assert_eq!(text(&slow.message().await), WINDOW.to_string());
    broker.stop().await;
}

#[tokio::test]
async fn the_retained_message_greets_a_newcomer_and_can_be_removed() {
    let broker = broker().await;
    let mut publisher = peer(&broker, "publisher").await;
    publisher.publish("state/a", QoS::AtLeastOnce, true, "old").await;
    publisher.publish("state/a", QoS::AtLeastOnce, true, "new").await;
    publisher.publish("state/b", QoS::AtLeastOnce, true, "gone").await;
    publisher.publish("state/b", QoS::AtLeastOnce, true, "").await;
    let mut newcomer = peer(&broker, "newcomer").await;
    newcomer.subscribe("state/#", QoS::AtLeastOnce).await;
    publisher.publish("state/a", QoS::AtLeastOnce, false, "live").await;
    let kept = newcomer.message().await;
    assert_eq!((text(&kept).as_str(), kept.retain), ("new", true));
    let live = newcomer.message().await;
    assert_eq!((text(&live).as_str(), live.retain), ("live", false));
    broker.stop().await;
}

#[tokio::test]
async fn a_will_speaks_when_the_line_breaks_and_is_silent_after_a_goodbye() {
    let broker = broker().await;
    let mut watcher = peer(&broker, "watcher").await;
    watcher.subscribe("will/#", QoS::AtLeastOnce).await;
    for (id, polite) in [("polite", true), ("abrupt", false)] {
        let mut with_will = options(&broker, id);
        with_will.set_last_will(LastWill::new(format!("will/{id}"), "gone", QoS::AtLeastOnce, false));
        let mut mortal = Peer::new(with_will);
        mortal.connected().await;
        if polite {
            mortal.client.disconnect().await.unwrap();
            eventually("the goodbye", async || lock(&broker.hub).connected() == 1).await;
        }
    }
    assert_eq!(watcher.message().await.topic, "will/abrupt");
    assert_eq!(broker.counts().wills, 1);
    broker.stop().await;
}

#[tokio::test]
async fn a_second_connection_of_the_same_name_puts_the_first_out() {
    let broker = broker().await;
    let mut first = peer(&broker, "twin").await;
    let mut second = peer(&broker, "twin").await;
    let ended = tokio::time::timeout(DEADLINE, first.packets.recv()).await.expect("an end in time");
    assert!(ended.is_none(), "{ended:?}");
    second.subscribe("t", QoS::AtLeastOnce).await;
    broker.stop().await;
}

/// A bare socket that has said CONNECT with this keep-alive, in seconds.
async fn bare(broker: &Broker, keep_alive: u16) -> TcpStream {
    let mut stream = TcpStream::connect(broker.address()).await.unwrap();
    let mut bytes = BytesMut::new();
    let mut connect = rumqttc::Connect::new("bare");
    connect.keep_alive = keep_alive;
    connect.write(&mut bytes).unwrap();
    stream.write_all(&bytes).await.unwrap();
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, [0x20, 2, 0, 0]);
    stream
}

async fn is_closed(stream: &mut TcpStream) -> bool {
    let mut rest = Vec::new();
    matches!(tokio::time::timeout(DEADLINE, stream.read_to_end(&mut rest)).await, Ok(Ok(0) | Err(_)))
}

#[tokio::test]
async fn who_is_silent_beyond_the_keep_alive_is_cut_off_and_who_pings_is_not() {
    let broker = broker().await;
    let clock = Clock::start();
    let mut silent = bare(&broker, 1).await;
    assert!(is_closed(&mut silent).await);
    assert!(clock.mono().0 >= 1_400, "cut off after {} ms", clock.mono().0);
    let mut lively = bare(&broker, 1).await;
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        lively.write_all(&[0xC0, 0]).await.unwrap();
        let mut pong = [0; 2];
        lively.read_exact(&mut pong).await.unwrap();
        assert_eq!(pong, [0xD0, 0]);
    }
    broker.stop().await;
}

#[tokio::test]
async fn what_it_does_not_speak_ends_the_connection_and_nothing_else() {
    let broker = broker().await;
    let mut well = peer(&broker, "well").await;
    let publish_qos2 = [0x34, 6, 0, 1, b't', 0, 1, b'x'];
    let publish_wildcard = [0x30, 4, 0, 1, b'#', b'x'];
    let second_connect = [0x10, 14, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 0, 0, 2, b'i', b'd'];
    for bad in [&publish_qos2[..], &publish_wildcard, &second_connect, &[0xFF; 20], &[0x30, 0xFF, 0xFF, 0xFF, 0x7F]] {
        let mut stream = bare(&broker, 0).await;
        stream.write_all(bad).await.unwrap();
        assert!(is_closed(&mut stream).await, "{bad:?}");
    }
    well.publish("t", QoS::AtLeastOnce, false, "still here").await;
    broker.stop().await;
}

#[tokio::test]
async fn the_session_of_a_stranger_is_refused_without_a_name() {
    let broker = broker().await;
    let mut stream = TcpStream::connect(broker.address()).await.unwrap();
    let mut connect = rumqttc::Connect::new("");
    connect.clean_session = false;
    let mut bytes = BytesMut::new();
    connect.write(&mut bytes).unwrap();
    stream.write_all(&bytes).await.unwrap();
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, [0x20, 2, 0, 2]);
    assert!(is_closed(&mut stream).await);
    broker.stop().await;
}
