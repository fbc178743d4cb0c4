//! The plant: Modbus servers and MQTT publishers that behave like a building. For demonstrations and tests; the gateway
//! proper uses nothing of it.
