// The .NET client: asks the Runtime API for events and calls the function.
//
// Written for C# 7 and .NET Core 3.1, so that one assembly runs on every later .NET. It knows nothing of Amazon.Lambda.Core at
// compile time: the function brings it, and its interfaces are implemented at run time (Context.cs).

using System;
using System.IO;
using System.Net.Http;
using System.Text;
using System.Threading.Tasks;

namespace Functory.Lambda
{
    public static class Program
    {
        public static int Main(string[] arguments)
        {
            var output = new StreamWriter(Console.OpenStandardOutput(), new UTF8Encoding(false)) { AutoFlush = true };
            Console.SetOut(TextWriter.Synchronized(output));
            Console.SetError(Console.Out);
            using (var api = new RuntimeApi(Environment.GetEnvironmentVariable("AWS_LAMBDA_RUNTIME_API")))
            {
                return Run(api, arguments[0], Environment.GetEnvironmentVariable("LAMBDA_TASK_ROOT")).GetAwaiter().GetResult();
            }
        }

        static async Task<int> Run(RuntimeApi api, string handlerName, string root)
        {
            Handler handler;
            try
            {
                handler = Handler.Load(handlerName, root);
            }
            catch (Exception exception)
            {
                var error = new Failure(exception);
                Console.Out.WriteLine(error.Text);
                await api.FailInit(error);
                return 1;
            }
            while (true)
            {
                await Handle(api, handler);
            }
        }

        static async Task Handle(RuntimeApi api, Handler handler)
        {
            using (var received = await api.Next())
            {
                var invocation = new Invocation(received);
                Environment.SetEnvironmentVariable("_X_AMZN_TRACE_ID", invocation.Header("Lambda-Runtime-Trace-Id"));
                HttpResponseMessage answered;
                try
                {
                    using (var input = await received.Content.ReadAsStreamAsync())
                    using (var output = await handler.Call(input, invocation))
                    {
                        answered = await api.Respond(invocation.RequestId, output);
                    }
                }
                catch (Exception exception)
                {
                    var error = new Failure(exception);
                    Console.Out.WriteLine(error.Text);
                    await api.Fail(invocation.RequestId, error);
                    return;
                }
                using (answered)
                {
                    if ((int)answered.StatusCode == 413)
                    {
                        var told = await answered.Content.ReadAsStringAsync();
                        await api.Fail(invocation.RequestId, new Failure(new InvalidOperationException(told)));
                    }
                }
            }
        }
    }

    /// One Runtime API.
    public sealed class RuntimeApi : IDisposable
    {
        readonly HttpClient _http;
        readonly string _prefix;

        public RuntimeApi(string address)
        {
            _http = new HttpClient(new SocketsHttpHandler { UseProxy = false, UseCookies = false, MaxConnectionsPerServer = 1 });
            _http.Timeout = System.Threading.Timeout.InfiniteTimeSpan; // the next event may be long in coming
            _http.DefaultRequestHeaders.TryAddWithoutValidation("User-Agent", "functory-dotnet/" + Environment.Version);
            _prefix = "http://" + address + "/2018-06-01/runtime";
        }

        public async Task<HttpResponseMessage> Next()
        {
            var response = await _http.GetAsync(_prefix + "/invocation/next");
            response.EnsureSuccessStatusCode();
            return response;
        }

        public Task<HttpResponseMessage> Respond(string requestId, Stream body)
        {
            var content = new StreamContent(body);
            content.Headers.TryAddWithoutValidation("Content-Type", "application/json");
            return _http.PostAsync(_prefix + "/invocation/" + requestId + "/response", content);
        }

        public Task Fail(string requestId, Failure error)
        {
            return Post("/invocation/" + requestId + "/error", error);
        }

        public Task FailInit(Failure error)
        {
            return Post("/init/error", error);
        }

        async Task Post(string path, Failure error)
        {
            using (var request = new HttpRequestMessage(HttpMethod.Post, _prefix + path))
            {
                request.Content = new ByteArrayContent(error.Json);
                request.Content.Headers.TryAddWithoutValidation("Content-Type", "application/vnd.aws.lambda.error+json");
                request.Headers.TryAddWithoutValidation("Lambda-Runtime-Function-Error-Type", error.Type);
                using (var response = await _http.SendAsync(request))
                {
                    await response.Content.ReadAsByteArrayAsync();
                }
            }
        }

        public void Dispose()
        {
            _http.Dispose();
        }
    }
}
