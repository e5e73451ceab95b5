import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;

/** MySQL's JDBC driver with statements prepared by the server: a batch, a refused update, a lost commit, a cursor. */
public class Jdbc {
    static Connection connect(String url) throws SQLException {
        String options = "?user=root&useServerPrepStmts=true&useCursorFetch=true&sslMode=DISABLED"
            + "&allowPublicKeyRetrieval=true&rewriteBatchedStatements=true";
        return DriverManager.getConnection(url + options);
    }

    static int add(Connection conn, int id) throws SQLException {
        try (PreparedStatement update = conn.prepareStatement("UPDATE orders SET minor = minor + 1 WHERE id = ?")) {
            update.setInt(1, id);
            return update.executeUpdate();
        }
    }

    public static void main(String[] args) throws SQLException {
        try (Connection conn = connect(args[0])) {
            try (PreparedStatement insert = conn.prepareStatement("INSERT INTO orders (id, minor) VALUES (?, ?)")) {
                for (int n = 0; n < 1000; n++) {
                    insert.setInt(1, n);
                    insert.setInt(2, n);
                    insert.addBatch();
                }
                insert.executeBatch();
            }
            try (Statement sum = conn.createStatement();
                 ResultSet row = sum.executeQuery("SELECT COUNT(*), SUM(minor) FROM orders")) {
                row.next();
                System.out.println("rows " + row.getInt(1) + " sum " + row.getLong(2));
            }
            try {
                add(conn, 1);
                System.out.println("update taken");
            } catch (SQLException refused) {
                System.out.println("update " + refused.getErrorCode() + " " + refused.getSQLState());
            }
            System.out.println("again " + add(conn, 1));
            conn.setAutoCommit(false);
            add(conn, 2);
            try {
                conn.commit();
                System.out.println("commit heard of");
            } catch (SQLException lost) {
                System.out.println("commit " + lost.getSQLState().substring(0, 2));
            }
        }
        try (Connection conn = connect(args[0]);
             PreparedStatement all = conn.prepareStatement("SELECT id FROM orders")) {
            all.setFetchSize(10);
            int rows = 0;
            try (ResultSet row = all.executeQuery()) {
                while (row.next()) {
                    rows++;
                }
            }
            System.out.println("cursor " + rows);
        }
    }
}
