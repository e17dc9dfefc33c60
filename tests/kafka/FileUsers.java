import java.io.IOException;
import java.io.Reader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import javax.security.auth.callback.Callback;
import javax.security.auth.callback.NameCallback;
import javax.security.auth.login.AppConfigurationEntry;
import org.apache.kafka.common.security.auth.AuthenticateCallbackHandler;
import org.apache.kafka.common.security.plain.PlainAuthenticateCallback;

/** Checks passwords of mechanism PLAIN against a file that is read anew at every login. */
public final class FileUsers implements AuthenticateCallbackHandler {
  private Path file;

  @Override
  public void configure(Map<String, ?> config, String mechanism, List<AppConfigurationEntry> jaas) {
    file = Path.of((String) jaas.get(0).getOptions().get("file"));
  }

  @Override
  public void handle(Callback[] callbacks) throws IOException {
    Properties users = new Properties();
    try (Reader reader = Files.newBufferedReader(file, StandardCharsets.UTF_8)) {
      users.load(reader);
    }
    String name = null;
    for (Callback callback : callbacks) {
      if (callback instanceof NameCallback) {
        name = ((NameCallback) callback).getDefaultName();
      } else if (callback instanceof PlainAuthenticateCallback) {
        PlainAuthenticateCallback login = (PlainAuthenticateCallback) callback;
        String password = users.getProperty(name);
        login.authenticated(password != null && password.equals(new String(login.password())));
      }
    }
  }

  @Override
  public void close() {}
}
