import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.avro.LogicalType;
import org.apache.avro.LogicalTypes;
import org.apache.avro.Schema;
import org.apache.avro.file.DataFileReader;
import org.apache.avro.file.SeekableByteArrayInput;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericFixed;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.message.BinaryMessageDecoder;

/**
 * Reads records with Java's Avro, and compares them with what they mean, in the form that
 * tests/tests/readers/meaning.rs tells. Logical types are not converted but looked up: a number is
 * a timestamp if the schema says so.
 *
 * <p>Every line that comes in is a case (tests/tests/readers/case.rs), every line that goes out the
 * answer to it: {"values": 12}, or {"difference": "…"} with the first one.
 */
public final class AvroReader {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final HexFormat HEX = HexFormat.of();
  private static final int SHOWN_MAX = 300;

  private final JsonNode options;

  /** Of a container that may have any schema there is none. */
  private final Schema schema;

  private final GenericDatumReader<GenericRecord> datums;
  private long values;

  private AvroReader(JsonNode options) {
    this.options = options;
    JsonNode text = options.get("schema");
    schema = text.isNull() ? null : new Schema.Parser().parse(text.asText());
    datums = new GenericDatumReader<>(schema);
  }

  public static void main(String[] args) throws IOException {
    var utf8 = StandardCharsets.UTF_8;
    var cases = new BufferedReader(new InputStreamReader(System.in, utf8));
    var answers = new PrintStream(System.out, true, utf8);
    // Anything that a library prints would not be an answer.
    System.setOut(System.err);
    for (String line = cases.readLine(); line != null; line = cases.readLine()) {
      answers.println(JSON.writeValueAsString(answer(JSON.readTree(line))));
    }
  }

  private static Map<String, Object> answer(JsonNode one) {
    var reader = new AvroReader(one.get("options"));
    try {
      reader.check(one.get("records"), one.get("rows"));
      return Map.of("values", reader.values);
    } catch (Difference difference) {
      return Map.of("difference", "Java: " + difference.getMessage());
    } catch (Exception | StackOverflowError e) {
      // Whatever the library throws at a record, it does not read it.
      e.printStackTrace();
      return Map.of("difference", "Java: " + e);
    }
  }

  private void check(JsonNode records, JsonNode meant) throws IOException {
    int number = 0;
    for (JsonNode record : records) {
      for (GenericRecord row : rows(record.binaryValue())) {
        if (number == meant.size()) {
          throw new Difference("row " + number, row, "no such row");
        }
        members(row, meant.get(number), "row " + number);
        number += 1;
      }
    }
    if (number != meant.size()) {
      throw new Difference("row " + number, "no row", meant.get(number));
    }
  }

  private List<GenericRecord> rows(byte[] record) throws IOException {
    switch (options.get("framing").asText()) {
      case "container":
        return container(record);
      case "single_object":
        return List.of(new BinaryMessageDecoder<GenericRecord>(GenericData.get(), schema).decode(record));
      case "confluent":
        var head = ByteBuffer.wrap(record);
        if (head.get() != 0 || head.getInt() != options.get("schema_id").intValue()) {
          throw new IOException(HEX.formatHex(record, 0, 5) + " is another schema");
        }
        return List.of(datum(record, head.position()));
      default:
        return List.of(datum(record, 0));
    }
  }

  private List<GenericRecord> container(byte[] record) throws IOException {
    var rows = new ArrayList<GenericRecord>();
    var reader = new GenericDatumReader<GenericRecord>();
    try (var file = new DataFileReader<>(new SeekableByteArrayInput(record), reader)) {
      if (schema != null && !file.getSchema().equals(schema)) {
        throw new IOException("the file has the schema " + file.getSchema());
      }
      if (!file.getMetaString("avro.codec").equals(options.get("codec").asText())) {
        throw new IOException("the codec is " + file.getMetaString("avro.codec"));
      }
      file.forEach(rows::add);
    }
    return rows;
  }

  private GenericRecord datum(byte[] record, int start) throws IOException {
    BinaryDecoder decoder =
        DecoderFactory.get().binaryDecoder(record, start, record.length - start, null);
    GenericRecord row = datums.read(null, decoder);
    if (!decoder.isEnd()) {
      throw new IOException("bytes are left over");
    }
    return row;
  }

  /** Compares the fields of a record with pairs of names and values. */
  private void members(GenericRecord record, JsonNode meant, String path) {
    List<Schema.Field> fields = record.getSchema().getFields();
    if (fields.size() != meant.size()) {
      throw new Difference(path, record, meant);
    }
    for (Schema.Field field : fields) {
      JsonNode pair = meant.get(field.pos());
      if (!field.name().equals(pair.get(0).asText())) {
        throw new Difference(path, field.name(), pair.get(0));
      }
      compare(record.get(field.pos()), field.schema(), pair.get(1), path + ", " + field.name());
    }
  }

  private void compare(Object read, Schema of, JsonNode meant, String path) {
    if (of.isUnion()) {
      of = of.getTypes().get(GenericData.get().resolveUnion(of, read));
    }
    if (meant.isArray()) {
      items(read, of, meant, path);
    } else if (meant.has("r")) {
      if (!(read instanceof GenericRecord record)) {
        throw new Difference(path, read, meant);
      }
      members(record, meant.get("r"), path);
    } else if (meant.has("m")) {
      entries(read, of, meant.get("m"), path);
    } else {
      values += 1;
      Object told = tell(read, of);
      if (!String.valueOf(told).equals(meant.asText()) || meant.isNull() != (told == null)) {
        throw new Difference(path, told, meant);
      }
    }
  }

  private void items(Object read, Schema of, JsonNode meant, String path) {
    if (!(read instanceof List<?> items) || items.size() != meant.size()) {
      throw new Difference(path, read, meant);
    }
    for (int at = 0; at < items.size(); at++) {
      compare(items.get(at), of.getElementType(), meant.get(at), path + "[" + at + "]");
    }
  }

  private void entries(Object read, Schema of, JsonNode meant, String path) {
    if (!(read instanceof Map<?, ?> entries) || entries.size() != meant.size()) {
      throw new Difference(path, read, meant);
    }
    var values = new TreeMap<String, Object>();
    entries.forEach((key, value) -> values.put(key.toString(), value));
    for (JsonNode pair : meant) {
      String key = pair.get(0).asText();
      if (!values.containsKey(key)) {
        throw new Difference(path, values.keySet(), pair.get(0));
      }
      compare(values.get(key), of.getValueType(), pair.get(1), path + ", " + key);
    }
  }

  /** A value in the form in which it is meant: what it is, and what the schema says of it. */
  private static Object tell(Object read, Schema of) {
    LogicalType logical = of.getLogicalType();
    switch (of.getType()) {
      case NULL:
        return null;
      case BOOLEAN:
        return read;
      case FLOAT:
        var single = (Float) read;
        return single.isNaN() ? "s:nan" : String.format("s:%08x", Float.floatToRawIntBits(single));
      case DOUBLE:
        var value = (Double) read;
        return value.isNaN() ? "f:nan" : String.format("f:%016x", Double.doubleToRawLongBits(value));
      case INT:
      case LONG:
        return number(read, logical);
      case STRING:
      case ENUM:
        return "t:" + read;
      case BYTES:
        var buffer = (ByteBuffer) read;
        var bytes = new byte[buffer.remaining()];
        buffer.duplicate().get(bytes);
        return bytes(bytes, logical);
      case FIXED:
        return bytes(((GenericFixed) read).bytes(), logical);
      default:
        return "a value of " + of.getType();
    }
  }

  private static String bytes(byte[] bytes, LogicalType logical) {
    if (logical instanceof LogicalTypes.Decimal decimal) {
      return "d:" + new BigInteger(bytes) + ":" + decimal.getScale();
    }
    return "b:" + HEX.formatHex(bytes);
  }

  private static String number(Object read, LogicalType logical) {
    if (logical == null) {
      return "i:" + read;
    }
    return switch (logical.getName()) {
      case "date" -> "D:" + read;
      case "time-millis" -> "c:" + read + ":3";
      case "time-micros" -> "c:" + read + ":6";
      case "timestamp-millis" -> "p:" + read + ":3:z";
      case "timestamp-micros" -> "p:" + read + ":6:z";
      case "timestamp-nanos" -> "p:" + read + ":9:z";
      case "local-timestamp-millis" -> "p:" + read + ":3:l";
      case "local-timestamp-micros" -> "p:" + read + ":6:l";
      case "local-timestamp-nanos" -> "p:" + read + ":9:l";
      default -> logical.getName() + " of " + read;
    };
  }

  /** What was read is not what was meant. */
  private static final class Difference extends RuntimeException {
    private static final long serialVersionUID = 1;

    Difference(String path, Object read, Object meant) {
      super("at " + path + ": read " + shorten(read) + ", meant " + shorten(meant));
    }

    private static String shorten(Object value) {
      String text = String.valueOf(value);
      return text.length() <= SHOWN_MAX ? text : text.substring(0, SHOWN_MAX) + "…";
    }
  }
}
